//! A server that is the updater's own process follows releases by a command of the host's, and is never stopped.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Host, Load, Packing, Release, Setup, Tree};
use protocol::{Problem, Status};

/// Tests the new configuration, and then tells the first process.
const TEST_AND_TELL: &str =
    "['sh', '-c', 'nginx -t -q -e stderr -c \"$RELEASE_PATH/server.conf\" && kill -HUP $MAINPID']";

#[test]
fn a_server_follows_each_release_by_a_command_and_is_never_stopped() -> Result<()> {
    let command = "['nginx', '-e', 'stderr', '-g', 'daemon off;', '-c', '{directory}/install/current/server.conf']";
    let setup = Setup::default()
        .without_echo()
        .run("command", command)
        .run("strategy", "'reload'")
        .run("reload", TEST_AND_TELL)
        .health("attempts", "50");
    let host = Host::alone(&setup)?;
    updated(&host, &says(&host, "return 200 one;")?)?;
    let main = host.app()?.pid.context("a server")?;
    let is_the_same = || -> Result<()> {
        ensure!(host.app()?.pid == Some(main), "it was stopped: {}", host.log());
        Ok(())
    };
    let load = Load::begin(host.agent);
    updated(&host, &says(&host, "return 200 two;")?)?;
    // A worker that ends may close a connection on which the next request is on its way. None is refused.
    let seen = load.end()?;
    let refused_one = seen.lost.iter().find(|lost| lost.contains("refused"));
    ensure!(refused_one.is_none() && !seen.answered.is_empty(), "{seen:?}");
    assert_eq!(page(&host)?, "two");
    is_the_same()?;

    // One that its command refuses, and one that answers badly.
    let problem = refused(&host, &says(&host, "nonsense;")?)?;
    let said = "failed to reload the agent: it did not: sh exited with status 1";
    ensure!(problem.detail.contains(said), "{problem:?}");
    ensure!(problem.output.iter().any(|line| line.contains("\"nonsense\"")), "{problem:?}");
    assert_eq!(page(&host)?, "two");
    refused(&host, &says(&host, "return 500;")?)?;
    assert_eq!(page(&host)?, "two");
    is_the_same()?;

    // The next updater tells what the one before has started.
    host.kill()?;
    host.start()?;
    updated(&host, &says(&host, "return 200 three;")?)?;
    assert_eq!(page(&host)?, "three");
    host.rollback()?.result()?;
    assert_eq!(page(&host)?, "two");
    is_the_same()?;
    host.local(&["stop"])?.good()?;
    ensure!(TcpStream::connect(host.agent).is_err(), "it serves: {}", host.log());
    Ok(())
}

fn says(host: &Host, answer: &str) -> Result<Release> {
    let at = host.directory.display();
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {at}/{kind};"))
        .concat();
    let tree = Tree::empty()?;
    tree.file(
        "server.conf",
        &format!(
            "user root;\npid {at}/nginx.pid;\nevents {{}}\nhttp {{ access_log off; {paths} default_type text/plain; \
             server {{ listen {}; {answer} }} }}\n",
            host.agent
        ),
    )?;
    tree.pack(Packing::Zstd)
}

fn updated(host: &Host, release: &Release) -> Result<()> {
    let result = host.push(release)?.result().with_context(|| host.log())?;
    ensure!(result.status == Status::Updated, "{result:?}");
    Ok(())
}

fn refused(host: &Host, release: &Release) -> Result<Problem> {
    host.push(release)?.problem().with_context(|| host.log())
}

fn page(host: &Host) -> Result<String> {
    let mut connection = TcpStream::connect(host.agent)?;
    connection.write_all(b"GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").context("an answer")?.1.to_owned())
}
