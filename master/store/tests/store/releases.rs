//! What the store keeps of releases.

use protocol::Digest;
use store::KnownRelease;
use testing::{at, path_and_store};

fn release(fill: u8, version: &str) -> KnownRelease {
    KnownRelease {
        digest: Digest::from_bytes([fill; 32]),
        name: Some("greeter".to_owned()),
        version: Some(version.to_owned()),
        sha: None,
        size: 2_000,
        packed_at: at(i64::from(fill)),
    }
}

#[test]
fn a_release_is_what_it_was_when_it_was_first_seen() {
    let (_directory, store) = path_and_store();
    store.add_release(&release(1, "1.0")).unwrap();
    store.add_release(&release(2, "2.0")).unwrap();
    store.add_release(&KnownRelease { packed_at: at(99), ..release(1, "other") }).unwrap();
    assert_eq!(store.releases().unwrap(), [release(2, "2.0"), release(1, "1.0")]);
    let digest = Digest::from_bytes([1; 32]);
    assert_eq!(store.release(&digest).unwrap(), Some(release(1, "1.0")));
    assert_eq!(store.release(&Digest::from_bytes([3; 32])).unwrap(), None);
}
