//! `updater rollback`: through the daemon, or by itself if the daemon is dead.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use http::Method;
use protocol::{
    AppHealth, CallerKind, Health, Kind, OperatorName, OrderOptions, Outcome, RollbackOrder,
    TransactionResult,
};

use crate::cli::args::RollbackArgs;
use crate::cli::client::{ClientError, ask, ask_again};
use crate::cli::errors::CliError;
use crate::cli::operator::operator;
use crate::config::Config;
use crate::environment::Environment;
use crate::runner::RunnerResources;
use crate::systemd::BusConnection;
use crate::transaction::{App, Events, Order, Recovery, Target, run_without_daemon};

pub(super) fn rollback(
    asked: &RollbackArgs,
    environment: &Environment,
    systemd: BusConnection,
) -> Result<bool, CliError> {
    let config = Config::load(&asked.common.config)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let options = OrderOptions { irreversible: asked.irreversible, ..OrderOptions::default() };
    let order = RollbackOrder { digest: asked.to, options: options.clone() };
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
        match ask(&config.state_dir, Method::POST, &path, by.as_ref(), Some(&order)).await {
            Err(ClientError::NotRunning(_)) => alone(&config, asked, options, by, systemd).await,
            answered => Ok(answered?),
        }
    })?;
    let text =
        if asked.json { serde_json::to_string_pretty(&result)? + "\n" } else { render(&result) };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(result.problem.is_none())
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
    match app.recover() {
        Recovery::Idle => {}
        Recovery::Finishing(finishing) => {
            let _ = tokio::task::spawn_blocking(move || finishing.join()).await;
        }
        Recovery::Locked => return Err("take this app's lock: another updater has it".into()),
        Recovery::Blocked(why) => return Err(why.into()),
    }
    if asked.to.is_none() {
        app.refresh();
        refuse_forward(&app.health())?;
    }
    let order = Order {
        kind: Kind::Rollback,
        target: asked.to.map_or(Target::Previous, Target::Digest),
        options,
        caller: CallerKind::Local,
        by,
        connection: 0,
        epoch: None,
        order: None,
    };
    let ended =
        run_without_daemon(&app, order, |_| {}).await.map_err(|failure| failure.problem.detail)?;
    ended.ok_or_else(|| "learn how the rollback ended".into())
}

/// After a rollback, a plain one would go forward again: the release before is the one that was left.
fn refuse_forward(app: &AppHealth) -> Result<(), CliError> {
    let last = app.last.as_ref().filter(|_| app.undoes_to.is_none());
    let went_back = last.filter(|last| {
        last.kind == Kind::Rollback && last.outcome == Outcome::RolledBack && last.code.is_none()
    });
    let Some(left) = went_back.and_then(|last| last.from) else { return Ok(()) };
    Err(CliError::hint(
        format!(
            "roll back: this host went back from {left} before, and would go forward to it again"
        ),
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
