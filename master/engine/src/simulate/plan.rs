//! The plan of a simulated rollout: all hosts, as they are just then.

use protocol::{Digest, Kind};

use crate::simulate::fleet::{Fleet, OLD};
use crate::simulate::names::{date, name};
use crate::simulate::network::Time;
use crate::{Action, Batch, Plan, PlannedHost, Policy};

/// How large the release is.
const BYTES: u64 = 2 << 20;

pub(super) fn of(fleet: &mut Fleet, policy: &Policy, release: Digest, now: Time) -> Plan {
    let all = u32::try_from(fleet.hosts.len()).unwrap_or(u32::MAX);
    let (mut changed, others): (Vec<_>, Vec<_>) = (0..all)
        .map(|host| planned(fleet, host, release, now))
        .partition(|host| host.action.changes_host());
    let hosts = u32::try_from(changed.len()).unwrap_or(u32::MAX);
    let batches = Batch::split(hosts, policy);
    changed.extend(others);
    Plan {
        format: protocol::FORMAT,
        kind: Kind::Update,
        app: "agent".parse().unwrap_or_else(|_| unreachable!()),
        target: Some(release),
        has_archive: true,
        updater: None,
        migration: None,
        selection: "--all".to_owned(),
        message: None,
        by_name: false,
        policy: policy.clone(),
        batches,
        hosts: changed,
        made_at: date(now),
    }
}
fn planned(fleet: &mut Fleet, host: u32, release: Digest, now: Time) -> PlannedHost {
    let reaches = fleet.network.reaches(host, now) && !fleet.hosts[host as usize].is_cut_off(now);
    let real = &mut fleet.hosts[host as usize];
    let from = real.runs(now);
    let action = match () {
        () if !reaches => Action::Unreachable,
        () if from == Some(release) => Action::AlreadyCurrent,
        () if real.current.is_some() => Action::Refuse,
        () => Action::Update,
    };
    PlannedHost {
        host: name(host),
        action,
        from: from.filter(|_| reaches),
        to: Some(release),
        bytes: BYTES,
        mends: false,
        code: None,
        detail: None,
        needed: None,
        free: None,
        updater: None,
        domain: None,
        observation: reaches.then(|| real.seen(now, OLD)),
    }
}
