//! Plans of foreign peers, and of numbers.

use engine::{Action, Observation, PlannedHost, worst_case};
use protocol::Code;
use testing::{plan_of, policy};
use time::OffsetDateTime;

use crate::rollout::plan::estimate;
use crate::rollout::plan::spread::spread;
use crate::rollout::testing::{Fleet, NEW, OLD, Requests, keeps, request, runs};
use crate::rollout::{Goal, RolloutError};
use crate::updater_client::ReleaseArchive;
use crate::updater_client::testing::{PeerRequest, digest};

async fn by_name(fleet: &Fleet, goal: Goal) -> Vec<PlannedHost> {
    let mut hosts = fleet.plan(&request(goal)).await.unwrap().hosts;
    hosts.sort_by(|one, other| one.host.cmp(&other.host));
    hosts
}

async fn host(
    fleet: &mut Fleet,
    name: &str,
    release: u8,
    prev: Option<u8>,
    quarantined: &'static [u8],
) -> Requests {
    let serve = move |mut call: PeerRequest| async move {
        if call.is("GET /health") {
            return call.json(200, &runs(release, true)).await;
        }
        call.json(200, &keeps(release, prev, quarantined)).await;
    };
    fleet.host(name, serve).await
}

#[tokio::test]
async fn a_release_that_cannot_be_started_is_refused_before_a_byte_is_sent() {
    let mut fleet = Fleet::new();
    for (name, says) in [("a-says", Some(true)), ("b-does-not", Some(false)), ("c-older", None)] {
        let serve = move |mut call: PeerRequest| async move {
            if call.is("GET /health") {
                let mut health = runs(OLD, true);
                if let Some(says) = says {
                    health["apps"]["agent"]["has_run_command"] = says.into();
                }
                return call.json(200, &health).await;
            }
            call.json(200, &keeps(OLD, None, &[])).await;
        };
        fleet.host(name, serve).await;
    }
    let archive = ReleaseArchive { needs_command: true, ..fleet.push() };
    let planned = by_name(&fleet, Goal::Push(Box::new(archive))).await;
    let actions: Vec<_> = planned.iter().map(|host| host.action).collect();
    assert_eq!(actions, [Action::Update, Action::Refuse, Action::Update]);
    assert_eq!(planned[1].code, Some(Code::NotSupported.into()));
    let detail = planned[1].detail.as_ref().unwrap();
    assert!(detail.contains("`[run] command`") && detail.contains("`run = []`"), "{detail}");
}

#[tokio::test]
async fn lesson_39_a_plan_asks_nothing_that_changes_anything() {
    let mut fleet = Fleet::new();
    let mut requests = vec![
        host(&mut fleet, "a-new", OLD, Some(NEW), &[]).await,
        host(&mut fleet, "b-current", NEW, None, &[]).await,
        host(&mut fleet, "c-bad", OLD, None, &[NEW]).await,
        host(&mut fleet, "d-first", OLD, None, &[]).await,
    ];
    requests.push(fleet.host("e-gone", |_| async {}).await);
    fleet.skip("f-old", store::SkipReason::Decommissioned);
    let planned = by_name(&fleet, fleet.archive()).await;
    let found: Vec<_> = planned.iter().map(|host| (host.action, host.bytes)).collect();
    assert_eq!(
        found,
        [
            (Action::Update, 0),
            (Action::AlreadyCurrent, 0),
            (Action::Refuse, 0),
            (Action::Update, 500_000),
            (Action::Unreachable, 0),
            (Action::Skip, 0),
        ]
    );
    assert_eq!(planned[0].from, Some(digest(OLD)));
    assert_eq!(planned[2].code, Some(Code::Quarantined.into()));
    assert_eq!(planned[2].detail.as_deref(), Some("it died"));
    assert!(requests.iter().all(|requests| requests.orders() == 0));
    assert_eq!(fleet.desired("a-new"), None);
}

#[tokio::test]
async fn a_host_whose_copy_is_damaged_or_unknown_is_not_called_current() {
    let mut fleet = Fleet::new();
    for name in ["a-damaged", "b-whole", "c-gone", "d-silent"] {
        let serve = move |mut call: PeerRequest| async move {
            if call.is("GET /health") {
                return call.json(200, &runs(NEW, true)).await;
            }
            assert!(call.is(&format!("GET /releases?check={} ", digest(NEW))), "{}", call.head);
            let mut kept = keeps(NEW, None, &[]);
            let releases = &mut kept["apps"]["agent"]["releases"];
            match name {
                "a-damaged" => releases[0]["damage"] = "bin/agent is another".into(),
                "c-gone" => *releases = serde_json::json!([]),
                "d-silent" => return call.json(500, &serde_json::json!({})).await,
                _ => {}
            }
            call.json(200, &kept).await;
        };
        fleet.host(name, serve).await;
    }
    let planned = by_name(&fleet, fleet.archive()).await;
    let found: Vec<_> = planned.iter().map(|host| (host.action, host.bytes, host.mends)).collect();
    let sent_anew = (Action::Update, 500_000, true);
    assert_eq!(found, [sent_anew, (Action::AlreadyCurrent, 0, false), sent_anew, sent_anew]);
    assert!(planned[0].detail.as_ref().unwrap().ends_with("bin/agent is another"));

    let planned = by_name(&fleet, Goal::Back(Some(digest(NEW)))).await;
    let codes: Vec<_> = planned.iter().map(|host| host.code.clone()).collect();
    assert_eq!(codes, [Some(Code::UnknownRelease.into()), None, None, None]);
}

#[tokio::test]
async fn a_plan_of_a_rollback_names_where_each_host_goes() {
    let mut fleet = Fleet::new();
    host(&mut fleet, "a-1", NEW, Some(OLD), &[]).await;
    host(&mut fleet, "b-1", NEW, None, &[]).await;
    let planned = by_name(&fleet, Goal::Back(None)).await;
    assert_eq!((planned[0].action, planned[0].to), (Action::Rollback, Some(digest(OLD))));
    assert_eq!(planned[1].action, Action::Refuse);
}

#[tokio::test]
async fn hosts_that_are_changed_come_first_and_are_divided() {
    let mut fleet = Fleet::new();
    for name in ["a-1", "a-2", "a-3", "b-1"] {
        host(&mut fleet, name, OLD, None, &[]).await;
    }
    host(&mut fleet, "a-0", NEW, None, &[]).await;
    let mut request = request(fleet.archive());
    request.policy = policy("canary=1 batch=2");
    request.policy.spread = Some("zone".to_owned());
    let plan = fleet.plan(&request).await.unwrap();
    let names: Vec<_> = plan.hosts.iter().map(|host| host.host.as_str()).collect();
    assert_eq!(names, ["a-1", "a-2", "b-1", "a-3", "a-0"]);
    let sizes: Vec<_> = plan.batches.iter().map(|batch| batch.hosts).collect();
    assert_eq!((sizes.as_slice(), plan.batches[0].canary), (&[1, 2, 1][..], true));
    request.policy.spread = Some("rack".to_owned());
    assert!(matches!(fleet.plan(&request).await, Err(RolloutError::NoDomains(_))));
}

#[test]
fn no_batch_is_empty_and_a_canary_is_never_more_than_asked() {
    let batches = |hosts, words: &str| {
        let plan = plan_of(hosts, policy(words));
        plan.batches.iter().map(|batch| batch.hosts).collect::<Vec<_>>()
    };
    assert_eq!(batches(10, ""), [10]);
    assert_eq!(batches(10, "canary=3 batch=50%"), [3, 5, 2]);
    assert_eq!(batches(3, "canary=5 batch=1"), [3]);
    assert_eq!(batches(5, "batch=1%"), [1; 5]);
    assert_eq!(batches(0, "canary=1 batch=2"), [0_u32; 0]);
    for hosts in 1..40 {
        for words in ["canary=1 batch=33%", "batch=7", "canary=2 batch=100%"] {
            let plan = plan_of(hosts, policy(words));
            assert!(plan.batches.iter().all(|batch| batch.hosts > 0), "{hosts} {words}");
            assert_eq!(plan.changed_hosts(), hosts, "{words}");
        }
    }
}

#[test]
fn each_batch_takes_from_each_domain_its_share() {
    let plan = plan_of(9, policy(""));
    let domain = |place: usize| if place < 6 { "a" } else { "b" };
    let hosts = plan.hosts.into_iter().enumerate();
    let hosts =
        hosts.map(|(place, host)| PlannedHost { domain: Some(domain(place).into()), ..host });
    let order: Vec<_> =
        spread(hosts.collect()).into_iter().filter_map(|host| host.domain).collect();
    for three in order.chunks(3) {
        assert_eq!(three.iter().filter(|domain| *domain == "b").count(), 1, "{order:?}");
    }
}

#[test]
fn an_estimate_rests_on_what_was_measured_or_there_is_none() {
    let mut plan = plan_of(4, policy("batch=2 parallel=1 delay=1m"));
    assert_eq!(estimate(&plan, &[]), None);
    let before = [
        ("h-0".parse().unwrap(), 9000),
        ("x".parse().unwrap(), 2000),
        ("y".parse().unwrap(), 1000),
    ];
    let measured = estimate(&plan, &before).unwrap();
    assert_eq!(measured.seconds, 9 + 2 + 60 + 2 + 2);
    assert_eq!(measured.basis, "3 hosts before took 2.0 s each in the median");
    plan.policy.options.watch = Some("5s".parse().unwrap());
    assert_eq!(estimate(&plan, &before).unwrap().seconds, 9 + 5 + 60 + 5 + 5);
}

#[test]
fn a_plans_digest_is_over_what_is_approved_and_over_nothing_else() {
    let plan = plan_of(4, policy("batch=2"));
    let digest = plan.digest();
    let mut later = plan.clone();
    later.made_at = OffsetDateTime::UNIX_EPOCH;
    later.hosts[0].observation =
        Some(Observation::Unreachable { code: Code::Internal.into(), detail: "x".into() });
    assert_eq!(later.digest(), digest);
    let mut moved = plan.clone();
    moved.hosts[3].from = None;
    let mut other = plan_of(4, policy("batch=2 delay=1s"));
    assert_ne!(moved.digest(), digest);
    assert_ne!(other.digest(), digest);
    other = plan_of(4, policy("batch=3"));
    assert_ne!(other.digest(), digest);
    assert!(worst_case(&plan).harmed <= 4);
}
