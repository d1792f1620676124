//! Hooks as they are: real servers, real programs.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::Backoff;
use protocol::Command;
use serde_json::{Value, json};
use store::{Event, EventType, RolloutId};
use tempfile::TempDir;
use testing::at;
use tokio_rustls::TlsAcceptor;

use super::signature::Secret;
use super::testing::Receiver;
use super::{Hook, Notifier, NotifyError, Occasion, Target};

/// Longer than any of these takes on any machine.
const LONG: Duration = Duration::from_mins(1);

fn secret(directory: &TempDir) -> PathBuf {
    let path = directory.path().join("hook.secret");
    std::fs::write(&path, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn hook(target: Target, attempts: u32) -> Hook {
    Hook {
        events: BTreeSet::from(Occasion::ALL),
        target,
        timeout: LONG,
        attempts: NonZeroU32::new(attempts).unwrap(),
    }
}

fn webhook(url: &str, directory: &TempDir, attempts: u32) -> Hook {
    let (url, secret) = (url.parse().unwrap(), secret(directory));
    hook(Target::Webhook { url, secret, ca: None }, attempts)
}

fn program(directory: &TempDir, text: &str) -> Target {
    let words = ["/bin/sh", "-c", text, "hook", directory.path().to_str().unwrap()];
    Target::Command(Command(words.map(str::to_owned).to_vec()))
}

fn start(hooks: &[Hook]) -> Notifier {
    let (first, longest) = (Duration::from_millis(1), Duration::from_millis(4));
    Notifier::start_with(hooks, None, || at(7), Backoff::new(first, longest)).0
}

fn paused() -> Event {
    Event {
        rollout: Some(RolloutId::new()),
        data: json!({"why": "two hosts failed"}),
        ..Event::new(EventType::RolloutPaused, at(0), "ada")
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn a_webhook_gets_the_event_signed() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::listen(&[204], None).await;
    let url = format!("http://{}/hooks/swarm", receiver.address);
    let notifier = start(&[webhook(&url, &directory, 5)]);
    let event = paused();
    notifier.notify(&event);
    notifier.notify(&Event::new(EventType::HostFailed, at(0), "ada"));
    assert!(notifier.finish(LONG).await.is_empty());
    let requests = receiver.requests();
    assert_eq!(requests.len(), 1, "only what was asked for");
    let request = &requests[0];
    assert!(request.head.starts_with("POST /hooks/swarm HTTP/1.1\r\n"), "{}", request.head);
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("webhook-id"), event.id.to_string());
    assert_eq!(request.header("webhook-timestamp"), at(7).unix_timestamp().to_string());
    assert_eq!(serde_json::from_str::<Event>(&request.body).unwrap(), event);
    let key = Secret::read(&secret(&directory)).unwrap();
    let signed = key.sign(&event.id.to_string(), at(7).unix_timestamp(), &request.body);
    assert_eq!(request.header("webhook-signature"), signed);
}

#[tokio::test]
async fn a_webhook_over_tls_is_checked_against_its_certificates() {
    let directory = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    let receiver = Receiver::listen(&[200], Some(TlsAcceptor::from(Arc::new(server)))).await;
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, certificate.pem()).unwrap();
    let port = receiver.address.rsplit_once(':').unwrap().1;
    let target = |ca| Target::Webhook {
        url: format!("https://localhost:{port}/").parse().unwrap(),
        secret: secret(&directory),
        ca,
    };
    let notifier = start(&[hook(target(Some(ca)), 2), hook(target(None), 1)]);
    notifier.notify(&paused());
    let faults = notifier.finish(LONG).await;
    assert_eq!(receiver.requests().len(), 1);
    // The system's certificates do not vouch for that one.
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(
        faults[0].starts_with(&format!("https://localhost:{port} was not told of rollout.paused"))
    );
}

#[tokio::test]
async fn a_webhook_is_tried_again_with_the_same_name_and_not_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let recovers = Receiver::listen(&[500, 302, 200], None).await;
    let broken = Receiver::listen(&[503], None).await;
    let gone = Receiver::listen(&[410], None).await;
    let hooks = [&recovers, &broken, &gone].map(|receiver| {
        webhook(&format!("http://{}/?key=s3cret", receiver.address), &directory, 4)
    });
    let notifier = start(&hooks);
    notifier.notify(&paused());
    let faults = notifier.finish(LONG).await;
    let ids: BTreeSet<_> =
        recovers.requests().iter().map(|request| request.header("webhook-id")).collect();
    assert_eq!((recovers.requests().len(), ids.len()), (3, 1));
    assert_eq!((broken.requests().len(), gone.requests().len()), (4, 1));
    assert_eq!(
        faults,
        [
            format!(
                "http://{} was not told of rollout.paused: it answered 503 Service Unavailable \
                 (4 attempts)",
                broken.address
            ),
            format!(
                "http://{} was not told of rollout.paused: it answered 410 Gone (1 attempt)",
                gone.address
            ),
        ]
    );
}

#[tokio::test]
async fn a_hook_that_never_answers_holds_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let silent = Receiver::listen(&[], None).await;
    let quick = Receiver::listen(&[200], None).await;
    let urls = [&silent, &quick].map(|receiver| format!("http://{}/", receiver.address));
    let notifier = start(&urls.map(|url| webhook(&url, &directory, 5)));
    // None of these waits, though the first hook takes no more than its queue holds.
    for _ in 0..40 {
        notifier.notify(&paused());
    }
    crate::notify::testing::until(|| quick.requests().len() == 40).await;
    for _ in 0..40 {
        notifier.notify(&paused());
    }
    crate::notify::testing::until(|| quick.requests().len() == 80).await;
    let faults = notifier.finish(Duration::from_millis(20)).await;
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].ends_with("too many were waiting"), "{faults:?}");
    assert!(faults[1].ends_with("there was no more time"), "{faults:?}");
}

#[tokio::test]
async fn a_command_gets_the_event_and_a_clean_environment() {
    let directory = tempfile::tempdir().unwrap();
    let target = program(&directory, r#"cat > "$1/event"; env > "$1/env""#);
    let notifier = start(&[hook(target, 1)]);
    let event = paused();
    notifier.notify(&event);
    assert_eq!(notifier.finish(LONG).await, Vec::<String>::new());
    let told: Value = serde_json::from_str(&read(&directory.path().join("event"))).unwrap();
    assert_eq!(told, json!(event));
    let environment = read(&directory.path().join("env"));
    let names: BTreeSet<_> =
        environment.lines().filter_map(|line| line.split('=').next()).collect();
    // The last two are the shell's own.
    let known = ["HOME", "LANG", "PATH", "PWD", "OLDPWD", "SHLVL", "_"];
    assert!(names.iter().all(|name| known.contains(name)), "{environment}");
}

#[tokio::test]
async fn a_command_that_fails_is_told_of_with_its_own_words() {
    let directory = tempfile::tempdir().unwrap();
    let fails = program(&directory, r#"echo once >> "$1/ran"; echo no pager >&2; exit 3"#);
    let missing = Target::Command(Command(vec!["/nonexistent/page".to_owned()]));
    let notifier = start(&[hook(fails, 2), hook(missing, 1)]);
    notifier.notify(&paused());
    let faults = notifier.finish(LONG).await;
    assert_eq!(read(&directory.path().join("ran")), "once\nonce\n");
    assert_eq!(
        faults,
        [
            "/bin/sh was not told of rollout.paused: it ended with exit status: 3: no pager \
             (2 attempts)",
            "/nonexistent/page was not told of rollout.paused: it cannot be started: No such file \
             or directory (os error 2) (1 attempt)",
        ]
    );
}

#[tokio::test]
async fn a_command_that_hangs_is_ended_with_all_that_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let target = program(&directory, r#"sleep 1000 & echo $! > "$1/pid"; wait"#);
    let notifier = start(&[Hook { timeout: Duration::from_millis(300), ..hook(target, 1) }]);
    notifier.notify(&paused());
    let faults = notifier.finish(LONG).await;
    assert!(faults[0].contains("it was not done after 0.3 s"), "{faults:?}");
    let path = directory.path().join("pid");
    if path.exists() {
        let process = PathBuf::from("/proc").join(read(&path).trim());
        // Ended, and perhaps not yet collected by the process that adopted it.
        let ended = || {
            let state = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        };
        crate::notify::testing::until(ended).await;
    }
}

#[tokio::test]
async fn what_a_command_leaves_running_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let target = program(&directory, r#"setsid sleep 1000 & echo $! > "$1/pid"; exit 0"#);
    let notifier = start(&[hook(target, 1)]);
    notifier.notify(&paused());
    assert!(notifier.finish(LONG).await.is_empty());
    let pid = read(&directory.path().join("pid")).trim().parse().unwrap();
    let _ =
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
}

#[tokio::test]
async fn a_missing_secret_is_said_at_the_beginning_and_stops_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let mut hook = webhook("https://hooks.example.org/", &directory, 1);
    if let Target::Webhook { secret, .. } = &mut hook.target {
        *secret = directory.path().join("missing");
    }
    let (notifier, errors) = Notifier::start(&[hook], None, || at(0));
    assert!(matches!(errors[..], [NotifyError::Secret(_)]));
    notifier.notify(&paused());
    assert!(notifier.finish(LONG).await.is_empty(), "it is said once, at the beginning");
}
