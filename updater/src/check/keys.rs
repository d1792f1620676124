//! The keys of `trusted_keys` that are in files.

use std::slice;

use common::chain;

use super::file::others_may_write;
use crate::config::{Finding, TrustedKey};
use crate::trust::TrustedKeys;

pub(super) fn check(key: &str, trusted: &[TrustedKey], findings: &mut Vec<Finding>) {
    for one in trusted {
        if let Err(error) = TrustedKeys::load(slice::from_ref(one)) {
            findings.push(
                Finding::error(key, chain(&error))
                    .hint("it is the file that minisign -G writes, or the second line of it"),
            );
        }
        if let TrustedKey::File(path) = one
            && others_may_write(path)
        {
            findings.push(
                Finding::error(key, format!("others may write {}", path.display()))
                    .hint(format!("run: chmod go-w {}", path.display())),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::trust::testing::KEY;

    #[test]
    fn a_key_that_is_missing_malformed_or_open_to_others_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("release.pub");
        let said = || {
            let mut findings = Vec::new();
            check("self.trusted_keys", &[TrustedKey::File(path.clone())], &mut findings);
            findings.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(said()[0].contains("read the key"), "{:?}", said());
        fs::write(&path, "untrusted comment: x\nRWQ\n").unwrap();
        assert!(said()[0].contains("find a minisign public key"), "{:?}", said());
        fs::write(&path, format!("untrusted comment: x\n{KEY}\n")).unwrap();
        assert_eq!(said(), Vec::<String>::new());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        assert!(said()[0].contains("chmod go-w"), "{:?}", said());
    }
}
