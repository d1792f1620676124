//! What a host does with bytes that are no good release: it says which rule they break, and nothing
//! of them is left.

use anyhow::Result;
use fleet_tests::{Behaviour, Host, Packing, Release, Setup, Tree, host};
use protocol::{Code, Problem, header};

fn refused(host: &Host, release: &Release) -> Result<Problem> {
    let problem = host.push(release)?.problem()?;
    assert!(host.store().is_empty(), "{:?}", host.store());
    assert!(host.incoming().is_empty(), "{:?}", host.incoming());
    assert!(host.install().join("current").symlink_metadata().is_err());
    assert_eq!(host.master().get("/health")?.status, 200);
    Ok(problem)
}

#[test]
fn lesson_06_a_truncated_or_corrupt_archive_is_refused_and_leaves_nothing() -> Result<()> {
    let host = host()?;
    for packing in [Packing::Gzip, Packing::Zstd] {
        let whole = Tree::agent(&Behaviour::default())?.pack(packing)?.bytes;
        let mut corrupt = whole.clone();
        let middle = corrupt.len() / 2;
        corrupt[middle] ^= 0xff;
        let mut longer = whole.clone();
        longer.extend_from_slice(b"more");
        let bad = [whole[..middle].to_vec(), corrupt, longer, b"not an archive".to_vec(), vec![]];
        for bytes in bad {
            let problem = refused(&host, &Release::of_bytes(bytes, packing))?;
            assert_eq!(
                (problem.code.status(), &problem.code),
                (422, &Code::ArchiveRejected),
                "{problem:?}"
            );
        }
    }
    let good = Tree::healthy("good")?;
    host.push(&good)?.result()?;
    assert_eq!(host.running(), Some(good.digest));
    Ok(())
}

#[test]
fn lesson_30_bytes_of_another_digest_are_never_a_release() -> Result<()> {
    let host = host()?;
    let announced = Tree::healthy("announced")?;
    let other = Tree::healthy("other")?;
    let answer = host
        .master()
        .post("/update")
        .header("content-type", other.media_type())
        .header(header::CONTENT_DIGEST, &announced.content_digest())
        .body(other.bytes)
        .send()?;
    let problem = answer.problem()?;
    assert_eq!((problem.code.status(), &problem.code), (422, &Code::DigestMismatch));
    assert!(host.store().is_empty() && host.incoming().is_empty());
    Ok(())
}

#[test]
fn lesson_16_every_bound_has_a_name_and_holds() -> Result<()> {
    let setup = Setup::default()
        .limits("archive_bytes", "'64KiB'")
        .limits("unpacked_bytes", "'1MiB'")
        .limits("entries", "50");
    let host = Host::alone(&setup)?;

    let noise: Vec<u8> =
        (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let large = refused(&host, &Release::of_bytes(noise, Packing::Zstd))?;
    assert_eq!((large.code.status(), &large.code), (413, &Code::ArchiveTooLarge), "{large:?}");

    let bomb = Tree::empty()?;
    bomb.file("zeros", &"0".repeat(4 << 20))?;
    let bomb = refused(&host, &bomb.pack(Packing::Gzip)?)?;
    assert!([413, 422].contains(&bomb.code.status()), "{bomb:?}");

    let many = Tree::empty()?;
    for number in 0..60 {
        many.file(&format!("file-{number}"), "")?;
    }
    let many = refused(&host, &many.pack(Packing::Zstd)?)?;
    assert!([413, 422].contains(&many.code.status()), "{many:?}");
    Ok(())
}

#[test]
fn a_host_without_space_says_how_much_it_needs() -> Result<()> {
    let host = Host::alone(&Setup::default().limits("reserve_bytes", "'4096TiB'"))?;
    let problem = refused(&host, &Tree::healthy("one")?)?;
    assert_eq!((problem.code.status(), &problem.code), (507, &Code::NoSpace));
    let (needed, free) = (problem.needed.expect("needed"), problem.free.expect("free"));
    assert!(needed.bytes > free.bytes);
    Ok(())
}

#[test]
fn what_a_release_may_have_it_keeps() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let host = host()?;
    let tree = Tree::agent(&Behaviour::default())?;
    tree.file("share/ünïcode/text", "text")?;
    tree.program("bin/setuid", "#!/bin/sh\n")?;
    let setuid = std::fs::Permissions::from_mode(0o4755);
    std::fs::set_permissions(tree.path().join("bin/setuid"), setuid)?;
    tree.link("latest", "share/ünïcode")?;
    host.push(&tree.pack(Packing::Zstd)?)?.result()?;

    let current = host.install().join("current");
    assert_eq!(std::fs::read_to_string(current.join("latest/text"))?, "text");
    let mode = |path: &str| -> Result<u32> {
        Ok(std::fs::metadata(current.join(path))?.permissions().mode() & 0o7777)
    };
    assert_eq!(mode("bin/setuid")?, 0o755);
    assert_eq!(mode("share/ünïcode/text")?, 0o644);
    Ok(())
}
