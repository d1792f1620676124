//! What builds have downloaded: it outlives what fails, and is removed only when it is told to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result};
use fleet_tests::{Host, Output, Packing, Setup, Tree};
use protocol::Code;
use serde_json::{Value, json};

/// A package in a registry that can be asked once.
struct Registry {
    address: String,
    integrity: String,
    served: thread::JoinHandle<std::io::Result<()>>,
}

impl Registry {
    fn serve_once() -> Result<Self> {
        let package = Tree::empty()?;
        package.file("package.json", r#"{"name": "tiny", "version": "1.0.0"}"#)?;
        let pack =
            Output::of(Command::new("npm").args(["pack", "--json"]).current_dir(package.path()))?;
        let packed: Value = pack.good()?.json()?;
        let integrity = packed[0]["integrity"].as_str().context("an integrity")?.to_owned();
        let bytes = std::fs::read(package.path().join("tiny-1.0.0.tgz"))?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let served = thread::spawn(move || {
            let (mut connection, _) = listener.accept()?;
            drop(listener);
            let request = BufReader::new(connection.try_clone()?).lines();
            for line in request {
                if line?.is_empty() {
                    break;
                }
            }
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length";
            write!(connection, "{head}: {}\r\n\r\n", bytes.len())?;
            connection.write_all(&bytes)
        });
        Ok(Self { address, integrity, served })
    }

    fn release(&self, message: &str, build: &str) -> Result<Tree> {
        let tree = Tree::saying(message)?;
        let needs = json!({"tiny": "1.0.0"});
        let package = json!({"name": "x", "version": "1.0.0", "dependencies": needs,
            "scripts": {"build": build}});
        let resolved = format!("http://{}/tiny-1.0.0.tgz", self.address);
        let lock = json!({"name": "x", "version": "1.0.0", "lockfileVersion": 3, "packages": {
            "": {"name": "x", "version": "1.0.0", "dependencies": needs},
            "node_modules/tiny":
                {"version": "1.0.0", "resolved": resolved, "integrity": self.integrity},
        }});
        tree.file("package.json", &package.to_string())?;
        tree.file("package-lock.json", &lock.to_string())?;
        Ok(tree)
    }
}

#[test]
fn what_a_failed_build_downloaded_is_not_downloaded_again() -> Result<()> {
    let setup = Setup::default()
        .app("build", "'auto'")
        .app("build_env", "{ npm_config_fetch_retries = '0' }");
    let host = Host::alone(&setup)?;
    let registry = Registry::serve_once()?;
    let bad = registry.release("bad", "echo 'color = always' > ~/.npmrc; echo built; exit 3")?;
    let problem = host.push(&bad.pack(Packing::Zstd)?)?.problem()?;
    assert_eq!(problem.code, Code::BuildFailed);
    assert!(problem.output.iter().any(|line| line == "built"), "{problem:?}");
    let home = host.state().join("cache/home");
    assert!(!home.exists());

    // The registry is gone.
    let good = registry.release("good", "test ! -e ~/.npmrc")?;
    host.push(&good.pack(Packing::Zstd)?)?.result()?;
    assert!(host.install().join("current/node_modules/tiny/package.json").exists());
    let status = host.local(&["status"])?.good()?;
    assert!(status.stdout.contains("builds have left 1MiB for the next ones"), "{status:?}");

    let cleaned = host.local(&["cache", "clean", "--app", "agent"])?.good()?;
    assert_eq!(cleaned.stdout, "agent: removed what its builds had left, 1MiB\n");
    let again = registry.release("again", "true")?;
    let problem = host.push(&again.pack(Packing::Zstd)?)?.problem()?;
    assert!(problem.output.iter().any(|line| line.contains("ECONNREFUSED")), "{problem:?}");
    registry.served.join().ok().context("a registry that ends")??;
    let unknown = host.local(&["cache", "clean", "--app", "other"])?;
    assert!(unknown.code == 1 && unknown.stderr.contains("find the app other"), "{unknown:?}");
    Ok(())
}
