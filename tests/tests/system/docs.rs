//! The book says what is so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use fleet_tests::{Output, program};
use protocol::{AgentState, Code, HostOutcome, Outcome, Phase, SignatureRule};
use strum::VariantArray as _;
use updater::server::Audience;

fn page(name: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The first two cells of each row of the page's tables.
fn rows(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
            Some((cells.next()?.trim_matches('`').to_owned(), cells.next()?.to_owned()))
        })
        .collect()
}

#[test]
fn every_code_is_in_the_table_with_its_status() -> Result<()> {
    let rows = rows(&page("docs/operating.md")?);
    for code in Code::ALL {
        assert_eq!(rows.get(code.name()), Some(&code.status().to_string()), "{code}");
    }
    let codes = rows.values().filter(|status| status.parse::<u16>().is_ok()).count();
    assert_eq!(codes, Code::ALL.len(), "the table has a code that does not exist");
    Ok(())
}

#[test]
fn every_route_is_in_the_table_with_whom_it_is_for() -> Result<()> {
    let page = page("docs/api.md")?;
    let bare = |cell: &str| cell.split(['?', '`']).next().unwrap_or_default().to_owned();
    let rows: BTreeMap<_, _> =
        rows(&page).into_iter().map(|(route, who)| (bare(&route), who)).collect();
    for route in updater::api::routes() {
        let who = match route.audience {
            Audience::Masters => "master",
            Audience::Monitors => "master, monitor",
            Audience::Readers => "master, monitor, the host's own agent",
        };
        let name = format!("{} {}", route.method, route.path);
        assert_eq!(rows.get(&name).map(String::as_str), Some(who), "{name}");
    }
    Ok(())
}

#[test]
fn every_rule_of_signed_releases_says_what_to_do() -> Result<()> {
    let page = page("docs/operating.md")?;
    for rule in SignatureRule::VARIANTS {
        let named = |row: &str| row.starts_with("| `") && row.contains(&format!("`{rule}`"));
        assert!(page.lines().any(named), "{rule}");
    }
    Ok(())
}

#[test]
fn every_state_and_every_outcome_is_explained() -> Result<()> {
    let rows = rows(&page("docs/operating.md")?);
    let phases = [
        Phase::Receiving,
        Phase::Verifying,
        Phase::Building,
        Phase::Staged,
        Phase::Starting,
        Phase::Switching,
        Phase::Draining,
        Phase::Restarting,
        Phase::Probing,
        Phase::Confirming,
        Phase::Watching,
        Phase::Reversing,
    ];
    let outcomes = [
        Outcome::Staged,
        Outcome::Updated,
        Outcome::AlreadyCurrent,
        Outcome::RolledBack,
        Outcome::Interrupted,
        Outcome::Stranded,
    ];
    let names = phases.iter().map(|phase| phase.into_str());
    for name in names.chain(outcomes.iter().map(|outcome| outcome.into_str())) {
        assert!(rows.contains_key(name), "{name} is not explained");
    }
    Ok(())
}

/// Every word that a state has on a screen is explained, and by that word.
#[test]
fn every_word_of_a_state_is_among_the_words() -> Result<()> {
    let rows = rows(&page("docs/words.md")?);
    let hosts = HostOutcome::VARIANTS.iter().map(ToString::to_string);
    let agents = AgentState::ALL.iter().map(ToString::to_string);
    let phases = Phase::VARIANTS.iter().map(|phase| phase.into_str().to_owned());
    for word in hosts.chain(agents).chain(phases) {
        assert!(rows.contains_key(&word), "{word} is not explained");
    }
    Ok(())
}

#[test]
fn the_policies_of_the_book_harm_as_many_hosts_as_it_says() -> Result<()> {
    let page = page("docs/rollouts.md")?;
    let policies = page.lines().filter_map(|line| {
        let cells: Vec<_> = line.strip_prefix("| ")?.split('|').map(str::trim).collect();
        let flags = cells.get(1)?.strip_prefix("`--canary")?.strip_suffix('`')?;
        Some((cells.clone(), format!("--canary{flags}")))
    });
    let mut tried = 0;
    for (cells, flags) in policies {
        let mut simulate = Command::new(program("swarm")?);
        simulate.args(["simulate", "--bad", "100%", "--hosts", cells[0]]);
        let said = Output::of(simulate.args(flags.split(' ')))?.good()?.stdout;
        let everywhere = format!("harmed: {} of {}", cells[2], cells[0]);
        let worst = format!("at most {} in the worst case", cells[3]);
        let batches = format!("{} batches", cells[4]);
        for part in [everywhere, worst, batches] {
            assert!(said.contains(&part), "{flags}: {part}: {said}");
        }
        tried += 1;
    }
    assert_eq!(tried, 3, "the table is not there");
    Ok(())
}

/// The headings of a page, as links name them.
fn headings(text: &str) -> BTreeSet<String> {
    let heading = |line: &str| {
        let kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
        let name: String = line.trim_start_matches('#').trim().chars().filter(kept).collect();
        name.to_lowercase().replace(' ', "-")
    };
    text.lines().filter(|line| line.starts_with('#')).map(heading).collect()
}

#[test]
fn every_link_leads_somewhere() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages =
        ["README.md", "CONTRIBUTING.md", "examples/README.md"].map(|page| root.join(page)).to_vec();
    for entry in std::fs::read_dir(root.join("docs"))? {
        pages.push(entry?.path());
    }
    pages.retain(|page| page.extension().is_some_and(|kind| kind == "md"));
    for path in pages {
        let text = std::fs::read_to_string(&path)?;
        let directory = path.parent().context("a page is in a directory")?;
        for part in text.split("](").skip(1) {
            let link = part.split(')').next().unwrap_or_default();
            if link.contains("://") {
                continue;
            }
            let (target, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if target.is_empty() { path.clone() } else { directory.join(target) };
            assert!(target.exists(), "{} → {link}", path.display());
            if !heading.is_empty() {
                let found = headings(&std::fs::read_to_string(&target)?).contains(heading);
                assert!(found, "{} → {link}", path.display());
            }
        }
    }
    Ok(())
}

#[test]
fn the_benchmark_says_what_it_has_and_what_it_has_not() -> Result<()> {
    let bench = |word: &str| Output::of(Command::new(program("bench")?).arg(word));
    let help = bench("--help")?.good()?;
    let known = bench("huge")?;
    assert_eq!(known.code, 1, "{known:?}");
    assert!(known.stderr.contains("there is no part \"huge\""), "{known:?}");
    for text in [help.stdout, known.stderr] {
        for part in ["small", "large", "health", "memory", "handover", "simulate", "eight"] {
            assert!(text.lines().any(|line| line.trim_start().starts_with(part)), "{part}: {text}");
        }
    }
    Ok(())
}
