//! The pages of a program's commands.

use std::io;

use clap::Command;
use clap_mangen::Man;

use crate::Page;

/// A page for the program, and one for each of its commands and of theirs, but for those that its help hides.
///
/// # Errors
/// None, as it is written to memory.
pub fn command_pages(program: Command, section: u8) -> io::Result<Vec<Page>> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    add(&program, section, &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, section: u8, pages: &mut Vec<Page>) -> io::Result<()> {
    let page = Man::new(command.clone()).section(section.to_string());
    let mut text = Vec::new();
    page.render(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    pages.push(Page { file: page.get_filename(), text: in_section(&text, section) });
    let mut shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.try_for_each(|command| add(command, section, pages))
}

/// The renderer takes every page that it names for one of the first section.
fn in_section(text: &str, section: u8) -> String {
    text.replace("(1)", &format!("({section})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_commands_have_pages_in_the_section_of_the_program() {
        let inner = Command::new("clean").about("Cleans");
        let program = Command::new("tool")
            .about("A tool")
            .subcommand(Command::new("cache").about("Caches").subcommand(inner))
            .subcommand(Command::new("secret").hide(true));
        let pages = command_pages(program, 8).unwrap();
        let files: Vec<_> = pages.iter().map(|page| page.file.as_str()).collect();
        assert_eq!(files, ["tool.8", "tool-cache.8", "tool-cache-clean.8"]);
        assert!(pages[0].text.contains("tool\\-cache(8)"), "{}", pages[0].text);
        assert!(pages.iter().all(|page| !page.text.contains("(1)")));
    }
}
