//! Programs that are told to read their configuration again, and are never stopped: a release is in force when a worker
//! answers that began after that.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Debian, Member};
use fleet_tests::{LONG, Load, Packing, Release, Setup, Tree, eventually, on_each_debian};
use protocol::{Outcome, Problem, Status};

on_each_debian!(real_servers_follow_a_release_by_reload);

const NGINX: &str = "[Service]\n\
    ExecStart=/usr/sbin/nginx -c /opt/agent/current/server.conf -g 'daemon off;'\n\
    ExecReload=/usr/sbin/nginx -c /opt/agent/current/server.conf -t\n\
    ExecReload=/bin/sh -c 'kill -HUP $MAINPID'\n\
    KillMode=mixed\n";
const HAPROXY: &str = "[Service]\nType=notify\n\
    ExecStart=/usr/sbin/haproxy -Ws -f /opt/agent/current/server.conf -p /run/web.pid\n\
    ExecReload=/usr/sbin/haproxy -Ws -f /opt/agent/current/server.conf -c -q\n\
    ExecReload=/bin/sh -c 'kill -USR2 $MAINPID'\n\
    KillMode=mixed\n";

fn nginx(answer: &str) -> String {
    format!(
        "user www-data;\nevents {{}}\nhttp {{ server {{ listen 0.0.0.0:8765; default_type text/plain; {answer} }} }}\n"
    )
}

fn haproxy(answer: &str) -> String {
    format!(
        "global\n  user nobody\ndefaults\n  mode http\n  timeout client 9s\n  timeout connect 9s\n  timeout server 9s\n\
         frontend web\n  bind 0.0.0.0:8765\n  {answer}\n"
    )
}

fn real_servers_follow_a_release_by_reload(debian: Debian) -> Result<()> {
    let setup = Setup::default()
        .without_echo()
        .without_command()
        .app("user", "'daemon'")
        .run("kind", "'systemd'")
        .run("units", "['web.service']")
        .run("strategy", "'reload'")
        .health("any_body", "true");
    let Some(fleet) = BootedFleet::of_debian(debian, 1, &setup)? else { return Ok(()) };
    let host = fleet.members.first().context("a host")?;
    host.machine.add_drop_in("units.conf")?;
    let says = |text: &str| format!("return 200 {text};");
    // Each server goes through all of it on one Debian: that takes a minute.
    let nginx_whole = debian == Debian::This;
    follows(
        host,
        NGINX,
        &[nginx(&says("one")), nginx(&says("two")), nginx("return 500;")],
        nginx_whole,
    )?;
    let says = |text: &str| {
        format!("http-request return status 200 content-type text/plain string {text}")
    };
    let bad = haproxy("http-request return status 500");
    follows(host, HAPROXY, &[haproxy(&says("three")), haproxy(&says("four")), bad], !nginx_whole)
}

/// Two good releases, and one that answers badly. Where no more is tried, a command of the host's tells the server, in
/// the place of `ExecReload=`.
fn follows(host: &Member, unit: &str, releases: &[String; 3], whole: bool) -> Result<()> {
    let (machine, [one, two, bad]) = (&host.machine, releases);
    machine.ask("systemctl stop web.service 2>/dev/null || true")?;
    let (tells, silent): (Vec<&str>, Vec<&str>) =
        unit.lines().partition(|line| line.starts_with("ExecReload="));
    let tells = tells.iter().rfind(|_| !whole).and_then(|line| line.strip_prefix("ExecReload="));
    let placed = if whole { unit.to_owned() } else { silent.join("\n") + "\n" };
    machine.write("/etc/systemd/system/web.service", placed, 0o644)?;
    let path = "/etc/updater/updater.toml";
    let config = fs::read_to_string(machine.path(path))?;
    let kept: Vec<&str> = config.lines().filter(|line| !line.starts_with("reload = ")).collect();
    let command = tells.map(|tells| format!("reload = \"{tells}\"\n")).unwrap_or_default();
    let section = "[app.agent.run]\n";
    let config = format!("{}\n", kept.join("\n")).replace(section, &format!("{section}{command}"));
    machine.write(path, config, 0o644)?;
    machine.ask("systemctl daemon-reload && systemctl restart updater")?;
    host.answers()?;
    let checked = machine.ask("updater check 2>&1 || true")?;
    ensure!(!checked.contains("error: "), "{checked}");
    updated(host, &release(one)?)?;
    let main = || machine.show("web.service", "MainPID");
    let first = main()?;
    let load = Load::begin(host.agent);
    updated(host, &release(two)?)?;
    assert_eq!(main()?, first, "it was stopped: {}", host.journals());
    // A worker that ends may close a connection on which the next request is on its way. None is refused.
    let seen = load.end()?;
    let refused_one = seen.lost.iter().find(|lost| lost.contains("refused"));
    ensure!(refused_one.is_none() && !seen.answered.is_empty(), "{seen:?}");
    let before = page(host)?;
    refused(host, &release(bad)?)?;
    assert_eq!(page(host)?, before);
    assert_eq!(main()?, first, "it was stopped: {}", host.journals());
    if whole { bears_the_rest(host, unit, one, two) } else { Ok(()) }
}

/// What else may be wrong with a release, with its unit and with the updater.
fn bears_the_rest(host: &Member, unit: &str, one: &str, two: &str) -> Result<()> {
    let machine = &host.machine;
    let main = || machine.show("web.service", "MainPID");
    let (first, before) = (main()?, page(host)?);
    // One that its own test refuses, and one that is not told at all.
    let problem = refused(host, &release(&format!("nonsense of {} letters\n", two.len()))?)?;
    ensure!(problem.detail.contains("reload web.service"), "{problem:?}");
    ensure!(!problem.output.is_empty(), "{problem:?}");
    assert_eq!(page(host)?, before);
    assert_eq!(main()?, first, "it was stopped: {}", host.journals());
    let heard = |line: &&str| !line.contains("kill -");
    let deaf = unit.split_inclusive('\n').filter(heard).collect::<String>();
    machine.write("/etc/systemd/system/web.service", deaf, 0o644)?;
    machine.ask("systemctl daemon-reload")?;
    let problem = refused(host, &release(&format!("{one}# again\n"))?)?;
    ensure!(problem.detail.contains("older than the reload"), "{problem:?}");
    assert_eq!(page(host)?, before);
    machine.write("/etc/systemd/system/web.service", unit, 0o644)?;
    machine.ask("systemctl daemon-reload")?;

    // On the way back it was stopped, and started. Wherever the updater dies, the next one finishes it, and the server is not stopped.
    let second = main()?;
    ensure!(second != first, "it heard nothing, and was not stopped: {}", host.journals());
    let crash = "[Service]\nEnvironmentFile=-/run/crash\n";
    machine.write("/etc/systemd/system/updater.service.d/crash.conf", crash, 0o644)?;
    machine.ask("systemctl daemon-reload")?;
    for point in ["active_flipped", "units_placed", "agent_started"] {
        machine.ask(&format!(
            "echo UPDATER_CRASH_AT={point} >/run/crash; systemctl restart updater; rm /run/crash"
        ))?;
        host.answers()?;
        let next = release(&format!("{two}# killed at {point}\n"))?;
        // It is cut short.
        drop(host.push(&next));
        let outcome = eventually("the update to be finished", LONG, || {
            let last = host.app().ok()?.last?;
            (last.target == Some(next.digest)).then_some(last.outcome)
        });
        let outcome = outcome.with_context(|| host.journals())?;
        ensure!(outcome == Outcome::Updated, "{outcome:?} at {point}: {}", host.journals());
    }
    assert_eq!(main()?, second, "it was stopped: {}", host.journals());

    // A unit that was stopped is started.
    machine.ask("updater stop")?;
    updated(host, &release(&format!("{one}# once more\n"))?)?;
    host.rollback()?.result()?;
    assert_eq!(page(host)?, before);
    Ok(())
}

fn release(config: &str) -> Result<Release> {
    let tree = Tree::empty()?;
    tree.file("server.conf", config)?;
    tree.pack(Packing::Zstd)
}

fn updated(host: &Member, release: &Release) -> Result<()> {
    let result = host.push(release)?.result().with_context(|| host.journals())?;
    ensure!(result.status == Status::Updated, "{result:?}");
    Ok(())
}

fn refused(host: &Member, release: &Release) -> Result<Problem> {
    host.push(release)?.problem().with_context(|| host.journals())
}

fn page(host: &Member) -> Result<String> {
    let mut connection = TcpStream::connect(host.agent)?;
    connection.write_all(b"GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").context("an answer")?.1.to_owned())
}
