//! `updater status`: what runs here, from the daemon, or from the disk if it is dead.

use std::fmt::Write as _;
use std::sync::Arc;

use common::{Style, pretty_document};
use http::Method;
use protocol::{
    AgentState, AppHealth, AppName, AppReleases, Bytes, Health, Release, ReleaseState, Releases,
    in_seconds,
};
use serde::Serialize;

use crate::build::size_of_caches;
use crate::cli::args::StatusArgs;
use crate::cli::client::{ClientError, ask_again};
use crate::cli::errors::CliError;
use crate::cli::system::{print, small_runtime};
use crate::config::Config;
use crate::runner::RunnerResources;
use crate::systemd::BusConnection;
use crate::transaction::{App, AppFiles, Events};

/// What is shown, and printed as JSON.
#[derive(Debug, Serialize)]
struct Shown {
    /// The daemon's answer; absent if it is dead.
    updater: Option<Health>,
    apps: std::collections::BTreeMap<AppName, ShownApp>,
}

#[derive(Debug, Serialize)]
struct ShownApp {
    #[serde(flatten)]
    health: AppHealth,
    releases: AppReleases,
    /// Bytes that its builds have left for the next ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    build_cache: Option<u64>,
}

impl Shown {
    /// The version of a release that is kept here.
    fn version_of(&self, digest: &str) -> Option<String> {
        let mut kept = self.apps.values().flat_map(|app| &app.releases.releases);
        kept.find(|release| release.digest.to_string() == digest)?.version.clone()
    }
}

pub(super) fn status(
    asked: &StatusArgs,
    systemd: BusConnection,
    style: Style,
) -> Result<bool, CliError> {
    let config = Config::load(&asked.common.config)?;
    let runtime = small_runtime()?;
    let shown = runtime.block_on(async {
        match ask_again::<Health>(&config.state_dir, Method::GET, "/health", None).await {
            Ok(health) => {
                let releases: Releases =
                    ask_again(&config.state_dir, Method::GET, "/releases", None).await?;
                Ok(from_daemon(&config, health, releases))
            }
            Err(ClientError::NotRunning(_)) => from_disk(&config, systemd, runtime.handle()),
            Err(error) => Err(error.into()),
        }
    })?;
    let text = if asked.json {
        pretty_document(&shown, &|digest| shown.version_of(digest))? + "\n"
    } else {
        style.paint_heads(&render(&shown))
    };
    print(&text)?;
    Ok(shown.updater.is_some() && shown.apps.values().all(|app| app.health.healthy))
}

fn from_daemon(config: &Config, health: Health, mut releases: Releases) -> Shown {
    let apps = health.apps.iter().filter_map(|(name, app)| {
        let releases = releases.apps.remove(name)?;
        let build_cache = build_cache(config, name);
        Some((name.clone(), ShownApp { health: app.clone(), releases, build_cache }))
    });
    Shown { apps: apps.collect(), updater: Some(health) }
}

fn from_disk(
    config: &Config,
    systemd: BusConnection,
    handle: &tokio::runtime::Handle,
) -> Result<Shown, CliError> {
    let resources = RunnerResources { systemd, ..RunnerResources::default() };
    let events = Events::new(sys::wall_clock());
    let mut apps = std::collections::BTreeMap::new();
    for name in config.apps.keys() {
        let app = App::new(name.clone(), config, Arc::clone(&events), &resources, handle.clone())?;
        app.refresh();
        let releases = app.settings.releases(None)?;
        let build_cache = build_cache(config, name);
        let shown = ShownApp { health: app.health(), releases, build_cache };
        apps.insert(name.clone(), shown);
    }
    Ok(Shown { updater: None, apps })
}

fn build_cache(config: &Config, app: &AppName) -> Option<u64> {
    size_of_caches(&AppFiles::new(&config.state_dir, app).builds())
}

fn render(shown: &Shown) -> String {
    let mut text = String::new();
    match &shown.updater {
        Some(health) => {
            let _ = writeln!(
                text,
                "updater {} on {}, up {} s, release {}",
                health.version,
                health.host,
                health.uptime_seconds,
                health.digest.short()
            );
        }
        None => text.push_str("the updater does not run; this is what its files say\n"),
    }
    for warning in shown.updater.iter().flat_map(|health| &health.warnings) {
        let _ = writeln!(text, "warning: {warning}");
    }
    for (name, app) in &shown.apps {
        render_app(&mut text, name, app);
    }
    text
}

fn render_app(text: &mut String, name: &AppName, app: &ShownApp) {
    let health = &app.health;
    let pid = health.pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
    let agent = match health.agent {
        AgentState::NoProcess => "no process".to_owned(),
        ref agent => format!("agent {agent}{pid}"),
    };
    let _ = writeln!(text, "\n{name}: {}, {agent}", health.state);
    if let Some(reason) = &health.reason {
        let _ = writeln!(text, "  not well: {reason}");
    }
    if let Some(death) = &health.died {
        let _ = writeln!(text, "  last death: its agent {death}");
        for line in &death.output {
            let _ = writeln!(text, "    {line}");
        }
    }
    if let Some(probe) = &health.probe {
        let verdict = if probe.passed { "passed" } else { "failed" };
        let at = in_seconds(probe.at);
        let _ = writeln!(text, "  probe {verdict} at {at}: {}", probe.detail);
    }
    for release in &app.releases.releases {
        let slot = match Some(release.digest) {
            digest if digest == app.releases.active => "active",
            digest if digest == app.releases.prev => "prev",
            _ => "",
        };
        let state = if release.quarantined {
            "failed, quarantined".to_owned()
        } else {
            serde_json::to_value(release.state)
                .ok()
                .and_then(|value| value.as_str().map(str::to_owned))
                .unwrap_or_default()
        };
        let version = release.version.as_deref().unwrap_or("-");
        let _ = writeln!(text, "  {slot:<7}{}  {version:<12} {state}", release.digest);
        if let Some(failure) = way_that_failed(release) {
            let _ = writeln!(text, "         the last way to it failed: {failure}");
        }
    }
    if let Some(bytes) = app.build_cache {
        let size = cache_size(bytes);
        let _ = writeln!(text, "  builds have left {size} for the next ones (updater cache clean)");
    }
    if let Some(last) = &health.last {
        let when = in_seconds(last.ended_at);
        let _ = writeln!(text, "  last: {} {} at {when}", last.kind, last.ended());
        if let Some(detail) = &last.detail {
            let _ = writeln!(text, "        {detail}");
        }
    }
    let warnings = health.warnings.iter();
    for warning in warnings.filter(|warning| Some(*warning) != health.reason.as_ref()) {
        let _ = writeln!(text, "  warning: {warning}");
    }
}

/// In whole MiB: less is not worth a decision.
pub(super) fn cache_size(bytes: u64) -> Bytes {
    Bytes(bytes.checked_next_multiple_of(1 << 20).unwrap_or(bytes))
}

/// Why a release that was proven here could not be gone to again.
fn way_that_failed(release: &Release) -> Option<&str> {
    release.failure.as_deref().filter(|_| release.state == ReleaseState::Proven)
}
