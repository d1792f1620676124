//! `@FILE`: hosts by name, one a line.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use explain::nearest;
use protocol::HostName;
use store::Host;

use crate::select::SelectError;

/// The names in a file, in its order, with their lines. It has at least one.
#[derive(Debug, Clone)]
pub(super) struct HostFile {
    path: PathBuf,
    names: Vec<(usize, HostName)>,
}

impl HostFile {
    pub(super) fn read(path: &Path) -> Result<Self, SelectError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SelectError::File { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// White space around names, empty lines and what follows a `#` do not count.
    fn parse(path: &Path, text: &str) -> Result<Self, SelectError> {
        let mut names = Vec::new();
        // Some editors begin a file with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line, text) in (1..).zip(text.lines()) {
            let name = text.split('#').next().unwrap_or_default().trim();
            if !name.is_empty() {
                let name = name.parse().map_err(|source| SelectError::FileLine {
                    path: path.to_owned(),
                    line,
                    source,
                })?;
                names.push((line, name));
            }
        }
        if names.is_empty() {
            return Err(SelectError::EmptyFile(path.to_owned()));
        }
        Ok(Self { path: path.to_owned(), names })
    }

    /// Where the hosts stand in `hosts`, in the file's order.
    pub(super) fn find(&self, hosts: &[Host]) -> Result<Vec<usize>, SelectError> {
        let places: HashMap<&HostName, usize> =
            hosts.iter().enumerate().map(|(place, host)| (&host.name, place)).collect();
        let place = |(line, name): &(usize, HostName)| {
            places.get(name).copied().ok_or_else(|| SelectError::FileHost {
                path: self.path.clone(),
                line: *line,
                name: name.clone(),
                nearest: nearest(name.as_str(), hosts.iter().map(|host| host.name.as_str())),
            })
        };
        self.names.iter().map(place).collect()
    }
}

#[cfg(test)]
mod tests {
    use explain::Explain as _;
    use testing::host;

    use super::*;

    fn found(text: &str) -> Result<Vec<usize>, SelectError> {
        let hosts = [host("db-1", &[]), host("web-1", &[]), host("web-2", &[])];
        HostFile::parse(Path::new("hosts.txt"), text)?.find(&hosts)
    }

    #[test]
    fn a_file_names_one_host_a_line_in_its_own_order() {
        assert_eq!(found("web-2\n").unwrap(), [2]);
        assert_eq!(found("\u{feff}web-2\n").unwrap(), [2], "a byte order mark");
        assert_eq!(found("# broken\r\n\r\n  web-2  # disk\r\ndb-1").unwrap(), [2, 0]);
    }

    #[test]
    fn lesson_38_a_mistake_in_a_file_is_told_with_its_line() {
        let error = found("web-1\n\nwbe-2\n").unwrap_err();
        assert_eq!(error.to_string(), "find the host \"wbe-2\" (hosts.txt, line 3)");
        assert_eq!(error.hint().as_deref(), Some("is it web-2?"));
        let error = found("web-1\nweb-2,db-1\n").unwrap_err();
        assert_eq!(error.to_string(), "read hosts.txt, line 2");
        let error = found("# nobody\n\n").unwrap_err();
        assert_eq!(error.to_string(), "find a host in hosts.txt: it names none");
        let error = HostFile::read(Path::new("/nonexistent/hosts")).unwrap_err();
        assert_eq!(error.to_string(), "read the hosts in /nonexistent/hosts");
    }
}
