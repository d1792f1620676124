//! `updater rollback`: through the daemon, or by itself if the daemon is dead.

use std::fmt::Write as _;
use std::sync::Arc;

use http::Method;
use protocol::{
    AppHealth, CallerKind, Digest, Health, Kind, OperatorName, OrderOptions, Outcome, Release,
    Releases, RollbackOrder, TransactionResult,
};

use crate::cli::alone::{AloneError, recover};
use crate::cli::args::RollbackArgs;
use crate::cli::client::{ClientError, ask, ask_again};
use crate::cli::errors::CliError;
use crate::cli::kept_release;
use crate::cli::operator::operator;
use crate::cli::system::{pretty, print, runtime};
use crate::config::Config;
use crate::environment::Environment;
use crate::runner::RunnerResources;
use crate::sys::blocking;
use crate::systemd::BusConnection;
use crate::transaction::{App, Events, Order, Target, run_without_daemon};

pub(super) fn rollback(
    asked: &RollbackArgs,
    environment: &Environment,
    systemd: BusConnection,
) -> Result<bool, CliError> {
    let config = Config::load(&asked.common.config)?;
    let runtime = runtime()?;
    let options = OrderOptions { irreversible: asked.irreversible, ..OrderOptions::default() };
    let path = format!("/rollback?app={}", asked.app);
    let by = operator(environment);
    let result = runtime.block_on(async {
        if asked.to.is_none()
            && let Ok(health) =
                ask_again::<Health>(&config.state_dir, Method::GET, "/health", None).await
            && let Some(app) = health.apps.get(&asked.app)
        {
            refuse_forward(app)?;
        }
        let Some(kept) = kept(&config, asked).await? else {
            return alone(&config, asked, options, by, systemd).await;
        };
        let find = |name: &String| kept_release::find(name, &kept);
        let digest = asked.to.as_ref().map(find).transpose()?;
        let order = RollbackOrder { digest, options: options.clone() };
        match ask(&config.state_dir, Method::POST, &path, by.as_ref(), Some(&order)).await {
            Err(ClientError::NotRunning(_)) => alone(&config, asked, options, by, systemd).await,
            answered => Ok(answered?),
        }
    })?;
    let text = if asked.json { pretty(&result)? + "\n" } else { render(&result) };
    print(&text)?;
    Ok(result.problem.is_none())
}

/// What the daemon keeps of the app, for an operator that names a release; none if the daemon is dead.
async fn kept(config: &Config, asked: &RollbackArgs) -> Result<Option<Vec<Release>>, ClientError> {
    if asked.to.is_none() {
        return Ok(Some(Vec::new()));
    }
    match ask_again::<Releases>(&config.state_dir, Method::GET, "/releases", None).await {
        Ok(mut kept) => {
            let kept = kept.apps.remove(&asked.app);
            Ok(Some(kept.map(|app| app.releases).unwrap_or_default()))
        }
        Err(ClientError::NotRunning(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The daemon is dead: this process holds the lock, finishes what the daemon began, and rolls back.
async fn alone(
    config: &Config,
    asked: &RollbackArgs,
    options: OrderOptions,
    by: Option<OperatorName>,
    systemd: BusConnection,
) -> Result<TransactionResult, CliError> {
    let resources = RunnerResources { systemd, ..RunnerResources::default() };
    let events = Events::new(sys::wall_clock());
    let handle = tokio::runtime::Handle::current();
    let app = Arc::new(App::new(asked.app.clone(), config, events, &resources, handle)?);
    let recovering = Arc::clone(&app);
    blocking("a recovery", move || recover(&recovering)).await?;
    let to = match &asked.to {
        Some(name) => Some(kept_release::find(name, &app.settings.releases(None)?.releases)?),
        None => None,
    };
    if to.is_none() {
        app.refresh();
        refuse_forward(&app.health())?;
    }
    let order = Order {
        kind: Kind::Rollback,
        target: to.map_or(Target::Previous, Target::Digest),
        options,
        caller: CallerKind::Local,
        by,
        connection: 0,
        epoch: None,
        order: None,
    };
    let ended = run_without_daemon(&app, order, |_| {}).await.map_err(ClientError::from)?;
    Ok(ended.ok_or(AloneError::NoEnd("rollback"))?)
}

/// A plain rollback would undo the one before.
#[derive(Debug, thiserror::Error)]
#[error("roll back: this host went back from {0} before, and would go forward to it again")]
struct ForwardError(Digest);

/// After a rollback, a plain one would go forward again: the release before is the one that was left.
fn refuse_forward(app: &AppHealth) -> Result<(), CliError> {
    let last = app.last.as_ref().filter(|_| app.undoes_to.is_none());
    let went_back = last.filter(|last| {
        last.kind == Kind::Rollback && last.outcome == Outcome::RolledBack && last.code.is_none()
    });
    let Some(left) = went_back.and_then(|last| last.from) else { return Ok(()) };
    Err(CliError::hint(
        ForwardError(left),
        format!(
            "to do that: updater rollback --to {left}; the others that are kept here: updater status"
        ),
    ))
}

fn render(result: &TransactionResult) -> String {
    if let Some(problem) = &result.problem {
        let mut text = format!("not rolled back: {}\n", problem.detail);
        for line in &problem.output {
            let _ = writeln!(text, "  | {line}");
        }
        return text;
    }
    let release = result.release.as_ref().map_or("nothing".to_owned(), |release| {
        let version = release.version.as_deref().unwrap_or("no version");
        format!("{} ({version})", release.digest)
    });
    format!("{release} is active and was proven\n")
}
