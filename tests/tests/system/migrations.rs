//! What a release does to stored data, as whoever uses `swarm` is told it: before anything is touched,
//! and when it is too late to go back.

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Behaviour, Fleet, Setup, Tree};
use insta::assert_snapshot;

const ONE_WAY: &str = "[migrations]\nbackup = 'bin/note backup'\nup = 'bin/note up'\n";
const BOTH_WAYS: &str = "[migrations]\nup = 'bin/note up'\ndown = 'bin/note down'\n";
const NOTE: &str = "#!/bin/sh\necho \"$1 $RELEASE_VERSION\" >> data/log\n\
    echo \"data/backup-$RELEASE_VERSION\"\n";

fn tree(version: u32, toml: &str, behaviour: &Behaviour) -> Result<Tree> {
    let tree = Tree::agent(behaviour)?;
    tree.file("release.toml", &format!("name = 'web'\nversion = '{version}'\n{toml}"))?;
    tree.program("bin/note", NOTE)?;
    Ok(tree)
}

fn good(version: u32, toml: &str) -> Result<Tree> {
    tree(version, toml, &Behaviour::default())
}

fn fleet() -> Result<Fleet> {
    let fleet = Fleet::of(1, &Setup::default().app("links", "['data/']"))?;
    fleet.update(&good(1, "")?, &[])?.good()?;
    Ok(fleet)
}

fn noted(fleet: &Fleet) -> String {
    let path = fleet.hosts[0].install().join("shared/data/log");
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The lines of a plan that say what becomes of stored data.
fn about_migration(plan: &str) -> Vec<String> {
    plan.lines().filter(|line| line.contains("migrates")).map(str::to_owned).collect()
}

#[test]
fn a_plan_says_what_cannot_be_undone_wherever_the_release_comes_from() -> Result<()> {
    let fleet = fleet()?;
    let (one_way, both_ways) = (good(2, ONE_WAY)?, good(3, BOTH_WAYS)?);
    let archive = fleet.sandbox().path().join("two.tar.gz").display().to_string();
    let (one_way, both_ways) =
        (one_way.path().display().to_string(), both_ways.path().display().to_string());
    fleet.swarm(["pack", &one_way, "-o", &archive])?.good()?;
    let mut told = Vec::new();
    for source in [["--root", &one_way], ["--archive", &archive]] {
        let words = ["update", "--all", "--dry-run", source[0], source[1]];
        let shown = fleet.swarm(words)?.good()?.stdout;
        told.extend(about_migration(&shown));
        let plan = fleet.swarm([&["--json"], &words[..]].concat())?.good()?.json()?;
        let expected = serde_json::json!({ "reversible": false, "backup": true });
        assert_eq!(plan["migration"], expected, "{plan}");
    }
    assert_eq!(told[0], told[1]);
    assert_snapshot!(told[0], @"the release migrates stored data, and this CANNOT BE UNDONE: a host on which it fails stays there, and none goes back without --irreversible; it is copied first");
    let shown = fleet.swarm(["plan", "--all", "--root", &both_ways])?.good()?;
    assert_snapshot!(about_migration(&shown.stdout).join("\n"), @"the release migrates stored data, and back if it fails; it is not copied first");
    let digest = shown.stdout.lines().find_map(|line| line.strip_prefix("plan "));
    let digest = digest.context("a plan's digest")?;
    let kept = fleet.swarm(["--json", "plan", "--plan", digest])?.good()?.json()?;
    assert_eq!(kept["migration"]["reversible"], true, "{kept}");
    // By its name it comes from the master's home, and says the same.
    let named = fleet.swarm(["--json", "plan", "--all", "--release", "web@3"])?.good()?.json()?;
    assert_eq!(named["migration"], kept["migration"], "{named}");
    assert_eq!(noted(&fleet), "", "a plan has touched something");
    Ok(())
}

#[test]
fn a_rollback_over_what_cannot_be_undone_takes_that_word_and_names_the_backup() -> Result<()> {
    let fleet = fleet()?;
    let two = good(2, ONE_WAY)?;
    let root = two.path().display().to_string();
    let said = fleet.swarm(["update", "--all", "--root", &root])?.good()?.stderr;
    assert_snapshot!(about_migration(&said).join("\n"), @"note: the release migrates stored data, and this CANNOT BE UNDONE: a host on which it fails stays there, and none goes back without --irreversible; it is copied first");
    assert_eq!(noted(&fleet), "backup 2\nup 2\n");

    let refused = fleet.swarm(["--json", "rollback", "--all"])?;
    assert_eq!(refused.code, 1, "{refused:?}");
    let row = refused.row("web-1")?;
    assert_eq!(row["code"], "irreversible", "{row}");
    ensure!(row.to_string().contains("data/backup-2"), "{row}");
    let done = fleet.swarm(["--json", "rollback", "--all", "--irreversible"])?.good()?;
    assert_eq!(done.row("web-1")?["outcome"], "rolled_back", "{done:?}");
    // The data is copied once more, and left as it is.
    assert_eq!(noted(&fleet), "backup 2\nup 2\nbackup 2\n");
    Ok(())
}

#[test]
fn an_update_that_fails_over_what_cannot_be_undone_stays_or_goes_back_as_it_was_told() -> Result<()>
{
    let crash = Behaviour { crash: Some("no such column".to_owned()), ..Behaviour::default() };
    let fleet = fleet()?;
    let stays = fleet.update(&tree(2, ONE_WAY, &crash)?, &[])?;
    assert_eq!(stays.code, 1, "{stays:?}");
    let row = stays.row("web-1")?;
    assert_eq!(row["outcome"], "stranded", "{row}");
    ensure!(row.to_string().contains("data/backup-2"), "{row}");

    let fleet = self::fleet()?;
    let back = fleet.update(&tree(2, ONE_WAY, &crash)?, &["--irreversible"])?;
    assert_eq!(back.row("web-1")?["outcome"], "rolled_back", "{back:?}");
    Ok(())
}
