//! The journal of a real systemd tells what happened to a host, with fields to ask it by.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Member};
use fleet_tests::{Behaviour, LONG, Setup, Tree, eventually};
use protocol::{Status, TransactionId};

/// As the manual promises it.
const ENDED: &str = "e6e4043c42504aa4acbfd3c7946fc318";

type Line = BTreeMap<String, serde_json::Value>;

#[test]
fn the_journal_tells_each_transaction_by_its_fields_across_self_updates_and_boots() -> Result<()> {
    let setup = Setup::default().app("user", "'daemon'");
    let Some(fleet) = BootedFleet::of(1, &setup)? else { return Ok(()) };
    let host = &fleet.members[0];
    let one = Tree::healthy("one")?;
    let good = host.push(&one)?.result()?;
    assert_eq!(good.status, Status::Updated);
    let crash = Behaviour { crash: Some("last words".to_owned()), ..Behaviour::default() };
    let two = Tree::release(&crash)?;
    let undone = host.push(&two)?.problem()?;

    let (good, undone) = (good.transaction.context("its name")?, undone.transaction);
    let undone = undone.context("its name")?;
    let digest = one.digest.short();
    let lines = story(host, &good)?;
    told(
        &lines,
        &[
            &format!("agent: update to {digest} ordered by master; nothing is active"),
            &format!("agent: received {digest}: "),
            "agent: on the disk in ",
            &format!("agent: switching from nothing to {digest}"),
            "agent: started as process ",
            &format!("agent: {digest} is proven by its echo, in "),
            "agent: watching for ",
            "agent: update ended after ",
        ],
    )?;
    for line in &lines {
        assert_eq!(field(line, "APP")?, "agent");
        assert_eq!(field(line, "DIGEST")?, one.digest.to_string());
        assert_eq!(field(line, "PRIORITY")?, "6", "{line:?}");
        assert_eq!(field(line, "SYSLOG_IDENTIFIER")?, "updater");
        assert_eq!(field(line, "_SYSTEMD_UNIT")?, "updater.service");
    }
    assert_eq!(field(lines.last().context("a last line")?, "OUTCOME")?, "updated");

    let from = format!("agent: going back to {digest}");
    let proven = format!("agent: {digest} is proven by its echo, in ");
    let lines = story(host, &undone)?;
    told(
        &lines,
        &[
            " ordered by master; ",
            "agent: received ",
            "agent: on the disk in ",
            "agent: switching from ",
            "agent: started as process ",
            "agent: probing failed: ",
            &from,
            "agent: started as process ",
            &proven,
            "rolled_back: ",
        ],
    )?;
    let last = lines.last().context("a last line")?;
    assert_eq!((field(last, "PRIORITY")?, field(last, "CODE")?), ("4", "rolled_back"));
    assert_eq!(field(last, "DIGEST")?, two.digest.to_string());

    // Both, in their order, are what is asked for by the app.
    let of_app = asked(host, "APP=agent")?;
    let ends = of_app.iter().filter(|line| field(line, "MESSAGE_ID").ok() == Some(ENDED));
    let ends: Vec<_> = ends.map(|line| field(line, "TRANSACTION")).collect::<Result<_>>()?;
    assert_eq!(ends, [good.to_string(), undone.to_string()]);

    // The updater's own successor goes on in the same journal, and so does the one after a boot.
    let new = Tree::updater("new")?.pack(fleet_tests::Packing::Zstd)?;
    ensure!(host.push_self(&new)?.status == 200, "{}", host.journals());
    host.is_now(&new.digest)?;
    in_charge(host, &new.digest.short())?;
    host.machine.power_off()?;
    host.machine.boot()?;
    host.answers()?;
    in_charge(host, &new.digest.short())
}

/// All lines of a transaction, as soon as there is its last one.
fn story(host: &Member, transaction: &TransactionId) -> Result<Vec<Line>> {
    eventually("the end of the story", LONG, || {
        let lines = asked(host, &format!("TRANSACTION={transaction}")).ok()?;
        (field(lines.last()?, "MESSAGE_ID").ok()? == ENDED).then_some(lines)
    })
    .with_context(|| host.journals())
}

/// Waits until the updater of this release has said in this boot that it is in charge.
fn in_charge(host: &Member, release: &str) -> Result<()> {
    let words = format!("in charge of web-1, as release {release}");
    eventually(&words, LONG, || {
        let lines = asked(host, "--boot").ok()?;
        lines.iter().any(|line| field(line, "MESSAGE").ok() == Some(&words)).then_some(())
    })
    .with_context(|| host.journals())
}

fn asked(host: &Member, by: &str) -> Result<Vec<Line>> {
    let journalctl = format!("journalctl --quiet --unit updater --output json {by}");
    let text = host.machine.ask(&journalctl)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// A field that is there once.
fn field<'a>(line: &'a Line, name: &str) -> Result<&'a str> {
    let value = line.get(name).and_then(|value| value.as_str());
    value.with_context(|| format!("{name} in {line:?}"))
}

/// Whether these lines, and no others, were told in this order.
fn told(lines: &[Line], expected: &[&str]) -> Result<()> {
    let said: Vec<_> = lines.iter().map(|line| field(line, "MESSAGE")).collect::<Result<_>>()?;
    let as_expected = said.len() == expected.len()
        && said.iter().zip(expected).all(|(said, expected)| said.contains(expected));
    ensure!(as_expected, "{said:#?}");
    Ok(())
}
