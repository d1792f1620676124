//! Ports that not every process may open: whether an agent may open the one where it is asked.

use std::fs;
use std::path::Path;

use protocol::AppName;

use super::transient::UNIT_PREFIX;
use crate::config::{AppConfig, RunnerKind, is_local, split_unix};
use crate::sys::user::User;

/// `CAP_NET_BIND_SERVICE` among the bits of capabilities (capabilities(7)).
pub const NET_BIND_SERVICE: u64 = 1 << 10;
/// The first port that takes no capability, where the kernel does not say otherwise.
const FIRST_FREE: u16 = 1024;
/// Where systemd looks for drop-ins (systemd.unit(5)).
const UNIT_DIRECTORIES: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// The port of this machine at which an app is asked, and which no agent of it may open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForbiddenPort {
    /// The key of the app that says it.
    pub key: &'static str,
    /// What is so, as a sentence.
    pub text: String,
    /// What helps.
    pub hint: String,
}

impl ForbiddenPort {
    /// `makes_units`: whether an agent can be made a unit here. `own`: the capabilities of the updater, as bits. A file
    /// may have the capability itself (setcap(8)), so it is a strong suspicion, and not more.
    pub fn of(name: &AppName, app: &AppConfig, makes_units: bool, own: u64) -> Option<Self> {
        let directories = UNIT_DIRECTORIES.map(Path::new);
        Self::among(name, app, makes_units, own, first_free_port(), &directories)
    }

    fn among(
        name: &AppName,
        app: &AppConfig,
        makes_units: bool,
        own: u64,
        first: u16,
        directories: &[&Path],
    ) -> Option<Self> {
        let run = &app.run;
        let (key, port) = asked(app)?;
        let is_passed_on = run.sockets.iter().any(|socket| socket.address.port() == port);
        let has_none = run.command.as_ref().is_some_and(|command| command.0.is_empty());
        if port >= first || is_passed_on || has_none || run.kind == RunnerKind::Systemd {
            return None;
        }
        let is_unit = makes_units && run.wants_unit();
        let is_root = |user: &str| User::by_name(user).is_ok_and(|user| user.uid == 0);
        let may = match app.user.as_deref().filter(|user| !is_root(user)) {
            None => is_unit || own & NET_BIND_SERVICE != 0,
            Some(_) => is_unit && is_granted(name, directories),
        };
        if may {
            return None;
        }
        let whose = app.user.as_deref().map(|user| format!(" of the user {user}"));
        let whose = whose.unwrap_or_default();
        let text = format!(
            "an agent{whose} listens at port {port}, which takes the capability NET_BIND_SERVICE below {first}, and does \
             not have it"
        );
        let hint = if is_unit {
            format!(
                "write AmbientCapabilities=CAP_NET_BIND_SERVICE below [Service] in \
                 /etc/systemd/system/{UNIT_PREFIX}{name}-.service.d/port.conf, and run: systemctl daemon-reload"
            )
        } else {
            "let the updater open it (`sockets`), or use another port".to_owned()
        };
        Some(Self { key, text, hint })
    }
}

/// The first port of this machine that takes no capability.
pub fn first_free_port() -> u16 {
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    first.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(FIRST_FREE)
}

/// Where the probe asks this machine itself: the agent has to listen there.
fn asked(app: &AppConfig) -> Option<(&'static str, u16)> {
    if let Some(url) = app.health.url.as_ref().filter(|url| split_unix(url).is_none()) {
        let url: http::Uri = url.parse().ok()?;
        let usual = if url.scheme_str() == Some("https") { 443 } else { 80 };
        let port = url.port_u16().unwrap_or(usual);
        return is_local(url.host()?).then_some(("health.url", port));
    }
    let (host, port) = app.health.tcp.as_ref()?.rsplit_once(':')?;
    Some(("health.tcp", port.parse().ok().filter(|_| is_local(host))?))
}

/// Whether a drop-in of the units that are made for an app gives them the capability.
fn is_granted(name: &AppName, directories: &[&Path]) -> bool {
    let unit = format!("{UNIT_PREFIX}{name}-");
    let beginnings = unit.match_indices('-').filter_map(|(dash, _)| unit.get(..=dash));
    let names: Vec<String> = beginnings.chain(["service"]).map(drop_ins_of).collect();
    let files = directories.iter().flat_map(|directory| names.iter().map(|it| directory.join(it)));
    let files = files.filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten();
    files.map(|file| file.path()).any(|file| {
        file.extension().is_some_and(|kind| kind == "conf")
            && fs::read_to_string(&file).is_ok_and(|text| text.lines().any(grants))
    })
}

fn drop_ins_of(beginning: &str) -> String {
    if beginning == "service" { "service.d".to_owned() } else { format!("{beginning}.service.d") }
}

fn grants(line: &str) -> bool {
    let value = line.trim_start().strip_prefix("AmbientCapabilities");
    value.and_then(|rest| rest.trim_start().strip_prefix('=')).is_some_and(|value| {
        let value = value.trim_start();
        !value.starts_with('~') && value.split_whitespace().any(|it| it == "CAP_NET_BIND_SERVICE")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden(lines: &str, makes_units: bool, own: u64, at: &Path) -> Option<ForbiddenPort> {
        let text = format!("[app.web]\ninstall_dir = '/opt/web'\n{lines}");
        let config = crate::config::Config::parse(&text).unwrap();
        let (name, app) = config.apps.iter().next().unwrap();
        ForbiddenPort::among(name, app, makes_units, own, FIRST_FREE, &[at])
    }

    #[test]
    fn an_agent_without_the_capability_is_told_by_what_it_lacks() {
        let at = tempfile::tempdir().unwrap();
        let found = |lines: &str, units, own| forbidden(lines, units, own, at.path());
        let low = "user = 'daemon'\nhealth.url = 'http://127.0.0.1/'\n";
        let made = found(low, true, 0).unwrap();
        assert!(made.text.contains("of the user daemon listens at port 80"), "{}", made.text);
        assert!(made.hint.contains("updater-web-.service.d/port.conf"), "{}", made.hint);
        assert!(found(low, false, u64::MAX).unwrap().hint.contains("`sockets`"));
        let child = format!("{low}run.transient = false\n");
        assert!(found(&child, true, u64::MAX).is_some());
        for fine in [
            "user = 'daemon'\nhealth.url = 'http://127.0.0.1:1024/'\n",
            "user = 'daemon'\nhealth.url = 'http://192.0.2.1/'\n",
            "user = 'daemon'\nhealth.url = 'unix:run/app.sock:/'\n",
            "user = 'daemon'\nrun = []\nhealth.tcp = 'localhost:443'\n",
            "user = 'daemon'\nrun.sockets = ['0.0.0.0:80']\nhealth.url = 'http://[::1]:80/'\n",
            "user = 'root'\nhealth.tcp = '127.0.0.1:80'\n",
        ] {
            assert_eq!(found(fine, true, 0), None, "{fine}");
        }
        let root = "health.tcp = '127.0.0.1:80'\n";
        assert_eq!(found(root, false, NET_BIND_SERVICE), None);
        assert_eq!(found(root, false, 0).unwrap().key, "health.tcp");
    }

    #[test]
    fn a_drop_in_of_its_units_gives_it() {
        let at = tempfile::tempdir().unwrap();
        let low = "user = 'daemon'\nhealth.url = 'https://localhost/'\n";
        let directory = at.path().join("updater-web-.service.d");
        fs::create_dir(&directory).unwrap();
        let write = |value: &str| {
            let text = format!("[Service]\nAmbientCapabilities = {value}\n");
            fs::write(directory.join("x.conf"), text).unwrap();
        };
        write("~CAP_NET_BIND_SERVICE");
        assert!(forbidden(low, true, 0, at.path()).is_some());
        write("CAP_SYS_NICE CAP_NET_BIND_SERVICE");
        assert_eq!(forbidden(low, true, 0, at.path()), None);
    }
}
