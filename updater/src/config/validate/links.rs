//! `links`: names under `shared/` that appear in each release.

use protocol::ReleaseManifest;

use crate::config::Finding;

pub(super) fn validate(section: &str, links: &[String], findings: &mut Vec<Finding>) {
    let key = format!("{section}.links");
    for (index, link) in links.iter().enumerate() {
        if let Some(rule) = broken_rule(link) {
            findings.push(Finding::error(&key, format!("{link:?} {rule}")));
            continue;
        }
        let plain = link.trim_end_matches('/');
        for earlier in links[..index].iter().map(|earlier| earlier.trim_end_matches('/')) {
            let message = if plain == earlier {
                format!("{plain:?} is there twice")
            } else if lies_in(plain, earlier) {
                format!("{plain:?} lies in {earlier:?}, which is a link already")
            } else if lies_in(earlier, plain) {
                format!("{earlier:?} lies in {plain:?}, which is a link already")
            } else {
                continue;
            };
            findings.push(Finding::error(&key, message));
        }
    }
}

/// What a release has of its own at its root.
const OF_THE_RELEASE: [&str; 3] =
    [protocol::RELEASE_RECORD, ReleaseManifest::FILE, ReleaseManifest::OWN_FILE];

fn broken_rule(link: &str) -> Option<&'static str> {
    let plain = link.strip_suffix('/').unwrap_or(link);
    if link.starts_with('/') {
        Some("is an absolute path; name it as it stands under shared/")
    } else if plain.split('/').any(|part| part == "..") {
        Some("leads out of shared/")
    } else if plain.split('/').any(|part| part.is_empty() || part == ".") {
        Some("has an empty part in its path")
    } else if plain.chars().any(|c| c.is_control() || c == '\\') {
        Some("has a control character or a backslash")
    } else if OF_THE_RELEASE.contains(&plain) {
        Some("is a file of the release itself")
    } else {
        None
    }
}

fn lies_in(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_said, said_of_app};

    #[test]
    fn links_stay_in_shared_and_out_of_each_other() {
        for (links, expected) in [
            ("'../x'", "\"../x\" leads out"),
            ("'a/../../b'", "\"a/../../b\" leads out"),
            ("'/etc/passwd'", "\"/etc/passwd\" is an absolute path"),
            ("''", "\"\" has an empty part"),
            ("'a//b'", "\"a//b\" has an empty part"),
            ("'./a'", "\"./a\" has an empty part"),
            ("'.release.json'", "\".release.json\" is a file of the release"),
            ("'data', 'data/'", "\"data\" is there twice"),
            ("'data', 'data/x'", "\"data/x\" lies in \"data\""),
            ("'data/x/', 'data'", "\"data/x\" lies in \"data\""),
        ] {
            let found = said_of_app(&format!("links = [{links}]\n"));
            assert_said(&found, &format!("error: app.agent.links: {expected}"));
        }
        let found = said_of_app("links = ['.env', 'data/', 'database', 'var/a', 'var/b']\n");
        assert!(!found.iter().any(|line| line.starts_with("error")), "{found:#?}");
    }
}
