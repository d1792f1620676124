//! Programs as people have them: a Python service with a dependency, a compiled one, and a server
//! that nobody here wrote. Each is installed, upgraded, upgraded badly, and rolled back.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Example, Fleet, Host, Output, Setup, Tree, build_environment};
use serde_json::Value;

/// A fleet of one host, which builds what it gets.
fn fleet(setup: Setup) -> Result<Fleet> {
    Fleet::of(1, &setup.app("build", "'auto'").app("build_env", &build_environment()))
}

fn row(output: &Output) -> Result<Value> {
    output.row("web-1")
}

fn updated(fleet: &Fleet, tree: &Tree) -> Result<()> {
    let output = fleet.update(tree, &[])?;
    ensure!(output.code == 0, "{output:?}");
    assert_eq!(row(&output)?["outcome"], "updated");
    Ok(())
}

fn undone(fleet: &Fleet, tree: &Tree) -> Result<Value> {
    let output = fleet.update(tree, &[])?;
    ensure!(output.code == 1, "{output:?}");
    let row = row(&output)?;
    assert_eq!(row["outcome"], "rolled_back", "{row}");
    Ok(row)
}

const PYTHON_SERVICE: &str = r#"
import http.server, json, os, sys
import six

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = {"release": os.environ["RELEASE_DIGEST"], "six": six.__version__, "greeting": GREETING,
                  "prefix": sys.prefix}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass

host, port = os.environ["AGENT_LISTEN"].rsplit(":", 1)
http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
"#;

fn python_service(greeting: &str, dependency: &str) -> Result<Tree> {
    let tree = Tree::empty()?;
    let source = PYTHON_SERVICE.replace("GREETING", &format!("{greeting:?}"));
    tree.file("greeter.py", &source)?;
    tree.file(
        "pyproject.toml",
        &format!("[project]\nname = 'greeter'\nversion = '1.0'\ndependencies = ['{dependency}']\n"),
    )?;
    tree.file(
        "release.toml",
        "name = 'greeter'\n[run]\ncommand = '.venv/bin/python greeter.py'\n",
    )?;
    Ok(tree)
}

#[test]
fn lesson_04_a_python_service_is_rolled_back_with_its_dependencies() -> Result<()> {
    let setup = Setup::default()
        .run("command", "['.venv/bin/python', 'greeter.py']")
        .health("attempts", "100");
    let fleet = fleet(setup)?;
    let host = &fleet.hosts[0];
    let runs = |greeting: &str, six: &str| -> Result<()> {
        let answer = host.ask_agent("/health")?;
        assert_eq!(
            (answer["greeting"].as_str(), answer["six"].as_str()),
            (Some(greeting), Some(six))
        );
        let current = host.current().context("a release")?;
        assert_eq!(answer["prefix"], current.join(".venv").display().to_string());
        Ok(())
    };
    updated(&fleet, &python_service("hello", "six==1.15.0")?)?;
    runs("hello", "1.15.0")?;
    updated(&fleet, &python_service("welcome", "six==1.16.0")?)?;
    runs("welcome", "1.16.0")?;

    let broken = python_service("oops", "six==1.16.0")?;
    broken.file("greeter.py", "import six\nraise SystemExit('no database')\n")?;
    let row = undone(&fleet, &broken)?;
    assert!(row["output"].to_string().contains("no database"), "{row}");
    runs("welcome", "1.16.0")?;

    fleet.swarm(["rollback", "--all", "--each"])?.good()?;
    runs("hello", "1.15.0")
}

const RUST_SERVICE: &str = r#"
use std::io::{BufRead, BufReader, Write};
fn main() {
    let listen = std::env::var("AGENT_LISTEN").unwrap();
    let release = std::env::var("RELEASE_DIGEST").unwrap();
    let listener = std::net::TcpListener::bind(listen).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let body = format!("{{\"release\":\"{release}\",\"version\":\"{}\"}}", env!("CARGO_PKG_VERSION"));
        let _ = write!(stream, "HTTP/1.1 STATUS x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    }
}
"#;

fn rust_service(version: &str, status: &str) -> Result<Tree> {
    let tree = Tree::empty()?;
    tree.file("src/main.rs", &RUST_SERVICE.replace("STATUS", status))?;
    let manifest = format!("[package]\nname = 'hello'\nversion = '{version}'\nedition = '2021'\n");
    tree.file("Cargo.toml", &format!("{manifest}[workspace]\n"))?;
    let lock = format!("version = 3\n\n[[package]]\nname = \"hello\"\nversion = \"{version}\"\n");
    tree.file("Cargo.lock", &lock)?;
    Ok(tree)
}

#[test]
fn a_compiled_service_is_built_on_its_host() -> Result<()> {
    let fleet = fleet(Setup::default().run("command", "['target/release/hello']"))?;
    let host = &fleet.hosts[0];
    let version = || Ok::<_, anyhow::Error>(host.ask_agent("/health")?["version"].clone());
    updated(&fleet, &rust_service("1.0.0", "200")?)?;
    assert_eq!(version()?, "1.0.0");
    updated(&fleet, &rust_service("1.1.0", "200")?)?;
    assert_eq!(version()?, "1.1.0");
    undone(&fleet, &rust_service("1.2.0", "500")?)?;
    assert_eq!(version()?, "1.1.0");
    let uncompiled = rust_service("1.3.0", "200")?;
    uncompiled.file("src/main.rs", "fn main() { let x: u8 = \"text\"; }")?;
    let output = fleet.update(&uncompiled, &[])?;
    let row = row(&output)?;
    assert_eq!(
        (row["outcome"].as_str(), row["code"].as_str()),
        (Some("failed"), Some("build_failed"))
    );
    assert!(row["output"].to_string().contains("mismatched types"), "{row}");
    fleet.swarm(["rollback", "--all", "--each"])?.good()?;
    assert_eq!(version()?, "1.0.0");
    Ok(())
}

#[test]
fn the_rust_example_is_built_on_its_host() -> Result<()> {
    let example = Example::named("rust");
    let fleet = fleet(Setup::of_example(&example)?)?;
    let host = &fleet.hosts[0];
    let says = || -> Result<String> {
        let mut stream = TcpStream::connect(host.agent)?;
        write!(stream, "GET / HTTP/1.0\r\n\r\n")?;
        Ok(BufReader::new(stream).lines().last().context("an answer")??)
    };
    let changed = |from: &str, to: &str| -> Result<Tree> {
        let tree = example.tree(host.agent)?;
        tree.replace("src/main.rs", from, to)?;
        Ok(tree)
    };
    updated(&fleet, &example.tree(host.agent)?)?;
    assert_eq!(says()?, "release 1");
    updated(&fleet, &changed("release 1", "release 2")?)?;
    assert_eq!(says()?, "release 2");
    undone(&fleet, &changed("200 OK", "500 Oh")?)?;
    assert_eq!(says()?, "release 2");
    Ok(())
}

/// Redis from this machine's package, with a configuration of its own.
fn redis(host: &Host, databases: u32, more: &str) -> Result<Tree> {
    let tree = Tree::empty()?;
    std::fs::create_dir(tree.path().join("bin"))?;
    std::fs::copy("/usr/bin/redis-server", tree.path().join("bin/redis-server"))
        .context("is redis-server installed?")?;
    let (ip, port) = (host.agent.ip(), host.agent.port());
    let configuration = format!(
        "bind {ip}\nport {port}\ndatabases {databases}\ndir data\nsave ''\nappendonly no\n{more}\n"
    );
    tree.file("redis.conf", &configuration)?;
    tree.file("release.toml", "name = 'redis'\n")?;
    Ok(tree)
}

/// One command, in Redis' inline form, and the first line of the answer.
fn ask(host: &Host, command: &str) -> Result<String> {
    let mut stream = TcpStream::connect(host.agent)?;
    write!(stream, "{command}\r\n")?;
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().context("an answer")??;
    match first.strip_prefix('$') {
        Some(_) => Ok(lines.next().context("a value")??),
        None => Ok(first),
    }
}

/// The number of databases tells one release's configuration from the other's.
fn databases(host: &Host, expected: u32) -> Result<()> {
    assert_eq!(ask(host, &format!("SELECT {}", expected - 1))?, "+OK");
    assert!(ask(host, &format!("SELECT {expected}"))?.starts_with("-ERR"));
    Ok(())
}

fn a_server_is_kept_up_to_date(kind: &str, probe: &str) -> Result<()> {
    let setup = Setup::default()
        .run("command", "['bin/redis-server', 'redis.conf']")
        .app("links", "['data/']")
        .health(kind, probe)
        .without_echo();
    let fleet = fleet(setup)?;
    let host = &fleet.hosts[0];
    let release = |databases, more| redis(host, databases, more);
    updated(&fleet, &release(16, "")?)?;
    databases(host, 16)?;
    assert_eq!(ask(host, "SET note kept")?, "+OK");
    assert_eq!(ask(host, "SAVE")?, "+OK");
    updated(&fleet, &release(17, "")?)?;
    databases(host, 17)?;
    // What it wrote lives in shared/, and outlives the release.
    assert_eq!(ask(host, "GET note")?, "kept");
    let row = undone(&fleet, &release(18, "no-such-directive yes")?)?;
    assert!(row["output"].to_string().contains("no-such-directive"), "{row}");
    databases(host, 17)?;
    fleet.swarm(["rollback", "--all", "--each"])?.good()?;
    databases(host, 16)?;
    assert_eq!(ask(host, "GET note")?, "kept");
    Ok(())
}

#[test]
fn a_server_from_a_package_is_proven_by_its_socket() -> Result<()> {
    a_server_is_kept_up_to_date("tcp", "'{agent}'")
}

#[test]
fn a_server_from_a_package_is_proven_by_a_command() -> Result<()> {
    let ask = "redis-cli -h {agent_ip} -p {agent_port} ping | grep -q PONG";
    a_server_is_kept_up_to_date("command", &format!("['sh', '-c', '{ask}']"))
}
