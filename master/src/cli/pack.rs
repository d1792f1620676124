//! `swarm pack`: a tree becomes an archive.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use control::pack::{Packed, Packing, Why, pack};
use explain::{Exit, Failure, plain};
use indicatif::HumanBytes;

use crate::cli::plan_view::migration;
use crate::cli::runtime::interruptible;
use crate::output::Output;

/// Names of what was left out that are shown of each kind.
const SHOWN: usize = 8;

/// The words of `swarm pack`.
#[derive(Debug, Args)]
pub struct PackArgs {
    /// The tree to pack
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// The archive to write: zstd, or gzip if it ends in .tar.gz or .tgz
    #[arg(long, short, value_name = "FILE", value_parser = archive_name)]
    pub output: PathBuf,
    /// Leave this out (may be repeated); without a slash it is looked for at every depth
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Pack this too, even if git does not track it or it is a build's leftover (may be repeated)
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
}

/// Endings of archives that are not written here.
const OTHER_ARCHIVES: [&str; 7] = [".zip", ".7z", ".tar", ".tar.xz", ".txz", ".tar.bz2", ".tbz2"];

/// A name that does not promise another kind of archive.
fn archive_name(text: &str) -> Result<PathBuf, String> {
    if OTHER_ARCHIVES.iter().any(|ending| text.to_lowercase().ends_with(ending)) {
        return Err("expected a name that ends in .tar.zst, .tar.gz or .tgz".to_owned());
    }
    Ok(text.into())
}

/// Packs, and says what was left out.
pub(super) fn run(
    arguments: &PackArgs,
    git_variables: Vec<OsString>,
    output: &Output,
) -> Result<Exit, Failure> {
    let PackArgs { dir, output: file, exclude, include } = arguments;
    let (root, file) = (dir.clone(), file.clone());
    let (exclude, include) = (exclude.clone(), include.clone());
    let packed = interruptible(move |cancel| {
        let (root, include, exclude, output) = (&root, &include, &exclude, &file);
        pack(&Packing { root, include, exclude, output, git_variables: &git_variables }, cancel)
    })??;
    if output.json() {
        output.document(&packed);
    } else {
        tell(output, &packed);
        output.data(&plain(&format!("{}  {}", packed.digest, packed.path.display())));
    }
    Ok(Exit::Success)
}

/// Says what is in an archive and what is not, to the operator who watches.
pub(super) fn tell(output: &Output, packed: &Packed) {
    for notice in &packed.notices {
        output.note(&format!("note: {notice}"));
    }
    let mut kinds: BTreeMap<Why, Vec<&str>> = BTreeMap::new();
    for left in &packed.left_out {
        kinds.entry(left.why).or_default().push(&left.path);
    }
    for (why, paths) in kinds {
        let more = paths.len().saturating_sub(SHOWN);
        let shown = paths[..paths.len() - more].join(", ");
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        output.note(&format!("left out, {} ({}): {shown}{more}", why.words(), paths.len()));
    }
    if let Some(found) = packed.migration {
        output.note(&format!("note: {}", migration(found)));
    }
    let files = packed.files.map_or_else(String::new, |files| match files {
        1 => "1 file, ".to_owned(),
        files => format!("{files} files, "),
    });
    let label = packed.label.as_ref().map_or_else(String::new, |label| format!(", commit {label}"));
    let digest = packed.digest.short();
    let release = packed
        .version
        .as_ref()
        .map_or_else(|| digest.clone(), |version| format!("{version} ({digest})"));
    output.note(&format!("packed {release}: {files}{}{label}", HumanBytes(packed.bytes)));
}
