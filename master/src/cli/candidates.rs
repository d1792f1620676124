//! What a shell offers at the tab key: the fleet's own names, as they are at that moment.
//!
//! Nothing is asked of a host, and what cannot be read offers nothing.

use std::collections::BTreeSet;

use clap::{Arg, Command};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use control::home::Home;
use store::{Host, Store};

use crate::environment::Environment;

/// So many rollouts and plans are offered, the newest.
const OFFERED: usize = 50;

/// The command line, in which words that name something of the fleet offer what there is.
pub(super) fn with_candidates(command: Command) -> Command {
    command.mut_args(of_argument).mut_subcommands(with_candidates)
}

fn of_argument(argument: Arg) -> Arg {
    let offer: fn(&Store) -> Vec<CompletionCandidate> = match argument.get_id().as_str() {
        "names" | "host" | "words" => hosts,
        "select" => patterns,
        "spread" => label_keys,
        "release" | "releases" | "to" => releases,
        "id" | "failed_in" => rollouts,
        "plan" => plans,
        "app" => apps,
        _ => return argument,
    };
    argument.add(ArgValueCandidates::new(move || {
        store().map(|store| offer(&store)).unwrap_or_default()
    }))
}

/// The store of the master that the environment names.
fn store() -> Option<Store> {
    let environment = Environment::read();
    let home = Home::locate(environment.named_home.as_deref(), &environment.home);
    Store::open(&home.ok()?.store()).ok()
}

fn in_fleet(store: &Store) -> impl Iterator<Item = Host> {
    let hosts = store.hosts().unwrap_or_default();
    hosts.into_iter().filter(|host| host.decommissioned_at.is_none())
}

fn hosts(store: &Store) -> Vec<CompletionCandidate> {
    in_fleet(store)
        .map(|host| {
            let labels: Vec<_> =
                host.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            candidate(host.name.as_str(), &labels.join(" "))
        })
        .collect()
}

fn patterns(store: &Store) -> Vec<CompletionCandidate> {
    let label = |host: &Host| host.labels.clone().into_iter().collect::<Vec<_>>();
    let labels: BTreeSet<_> = in_fleet(store).flat_map(|host| label(&host)).collect();
    let labels =
        labels.into_iter().map(|(key, value)| candidate(&format!("{key}={value}"), "label"));
    labels.chain(hosts(store)).collect()
}

fn label_keys(store: &Store) -> Vec<CompletionCandidate> {
    let keys: BTreeSet<_> = in_fleet(store).flat_map(|host| host.labels.into_keys()).collect();
    keys.iter().map(|key| candidate(key, "")).collect()
}

/// By `NAME@VERSION` where that means one release, else by digest.
fn releases(store: &Store) -> Vec<CompletionCandidate> {
    let releases = store.releases().unwrap_or_default();
    let called: Vec<_> = releases
        .iter()
        .map(|release| Some(format!("{}@{}", release.name.as_ref()?, release.version.as_ref()?)))
        .collect();
    releases
        .iter()
        .zip(&called)
        .map(|(release, name)| match name {
            Some(text) if called.iter().filter(|other| *other == name).count() == 1 => {
                candidate(text, &release.digest.short())
            }
            _ => candidate(&release.digest.short(), name.as_deref().unwrap_or_default()),
        })
        .collect()
}

fn rollouts(store: &Store) -> Vec<CompletionCandidate> {
    let rollouts = store.rollouts(false, u32::try_from(OFFERED).unwrap_or(u32::MAX));
    let rollouts = rollouts.unwrap_or_default();
    let words = |rollout: &store::Rollout| {
        format!("{} of {}, {}", rollout.kind, rollout.selection, rollout.state)
    };
    rollouts.iter().map(|rollout| candidate(&rollout.id.short(), &words(rollout))).collect()
}

fn plans(store: &Store) -> Vec<CompletionCandidate> {
    let plans = store.plans().unwrap_or_default();
    plans.iter().take(OFFERED).map(|plan| candidate(&plan.short(), "")).collect()
}

fn apps(store: &Store) -> Vec<CompletionCandidate> {
    let rollouts = store.rollouts(false, u32::MAX).unwrap_or_default();
    let apps: BTreeSet<_> = rollouts.into_iter().map(|rollout| rollout.app).collect();
    apps.iter().map(|app| candidate(app.as_str(), "")).collect()
}

fn candidate(value: &str, help: &str) -> CompletionCandidate {
    let help = (!help.is_empty()).then(|| help.to_owned().into());
    CompletionCandidate::new(value).help(help)
}
