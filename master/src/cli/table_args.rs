//! `-o` and `--columns`, as every command that prints a table takes them.

use clap::{Args, ValueEnum};

use crate::output::{Output, Table, UnknownColumn};

/// Which columns are shown.
#[derive(Debug, Clone, Default, Args)]
pub struct TableArgs {
    /// Show every column (wide), or the names alone (name)
    #[arg(long = "output", short = 'o', value_name = "FORM", value_enum, help_heading = "Output")]
    form: Option<Form>,
    /// Show these columns, by their headings, such as host,runs
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        conflicts_with = "form",
        help_heading = "Output"
    )]
    columns: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Wide,
    Name,
}

impl TableArgs {
    /// The table with these columns, for the screen that data is looked at on.
    pub(super) fn applied(&self, table: Table, output: &Output) -> Result<Table, UnknownColumn> {
        let table = table.within(output.columns()).styled(output.style());
        match self.form {
            Some(Form::Wide) => Ok(table.wide()),
            Some(Form::Name) => Ok(table.names()),
            None if self.columns.is_empty() => Ok(table),
            None => table.choose(&self.columns),
        }
    }

    /// Whether the table is wanted alone, without what is said below it.
    pub(super) fn is_for_programs(&self) -> bool {
        self.form == Some(Form::Name) || !self.columns.is_empty()
    }
}
