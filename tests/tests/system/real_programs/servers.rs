//! Servers as Debian packages them.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Story, Tree};

/// Whether the program is there: it is no test where it is not.
fn is_installed(path: &str, package: &str) -> Result<()> {
    ensure!(Path::new(path).exists(), "{path} is not there: install {package}");
    Ok(())
}

/// A server whose example answers `release 1`.
struct Server {
    example: &'static str,
    user: &'static str,
    /// Its program, and the package that has it.
    program: &'static str,
    package: &'static str,
    /// The file that has the answer.
    answers_from: &'static str,
    /// What makes a bad release: in this file, this part is replaced with that.
    broken_by: (&'static str, &'static str, &'static str),
}

impl Server {
    /// Upgraded, broken, gone back with, and stopped.
    fn lives(&self) -> Result<()> {
        self.upgraded_and_back()?.stops()
    }

    /// The same up to the stop.
    fn upgraded_and_back(&self) -> Result<Story> {
        is_installed(self.program, self.package)?;
        let story = Story::of(self.example, self.user)?;
        story.updates(&story.release()?)?;
        story.says("/", "release 1")?;
        story.updates(&story.changed(self.answers_from, "release 1", "release 2")?)?;
        story.says("/", "release 2")?;
        let (file, part, with) = self.broken_by;
        story.undoes(&story.changed(file, part, with)?)?;
        story.says("/", "release 2")?;
        story.goes_back()?;
        story.says("/", "release 1")?;
        Ok(story)
    }
}

#[test]
fn nginx() -> Result<()> {
    let server = Server {
        example: "nginx",
        user: "lp",
        program: "/usr/sbin/nginx",
        package: "nginx-light",
        answers_from: "html/index.html",
        broken_by: ("nginx.conf", "root html;", "no_such_directive;"),
    };
    server.lives()
}

#[test]
fn python() -> Result<()> {
    let server = Server {
        example: "python",
        user: "mail",
        program: "/usr/bin/python3",
        package: "python3",
        answers_from: "server.py",
        broken_by: ("server.py", "import BaseHTTP", "import NoSuchName, BaseHTTP"),
    };
    server.lives()
}

#[test]
fn php() -> Result<()> {
    let server = Server {
        example: "php",
        user: "news",
        program: "/usr/bin/php",
        package: "php-cli",
        answers_from: "public/index.php",
        broken_by: ("release.toml", "\"public\"", "\"gone\""),
    };
    server.lives()
}

#[test]
fn gunicorn() -> Result<()> {
    let server = Server {
        example: "gunicorn",
        user: "irc",
        program: "/usr/bin/gunicorn",
        package: "gunicorn",
        answers_from: "app.py",
        broken_by: ("app.py", "def app(", "import no_such_module\n\n\ndef app("),
    };
    server.lives()
}

#[test]
fn puma() -> Result<()> {
    let server = Server {
        example: "puma",
        user: "list",
        program: "/usr/bin/puma",
        package: "puma",
        answers_from: "config.ru",
        broken_by: ("puma.rb", "workers 2", "no_such_setting 2"),
    };
    let story = server.upgraded_and_back()?;
    // The socket beside the program's own files, as its documentation has it.
    let current = story.host()?.current().context("a release")?;
    UnixStream::connect(current.join("tmp/sockets/puma.sock")).context("connect to puma.sock")?;
    story.stops()
}

#[test]
fn node() -> Result<()> {
    let server = Server {
        example: "node",
        user: "backup",
        program: "/usr/bin/node",
        package: "nodejs",
        answers_from: "server.js",
        broken_by: ("server.js", "require('http')", "require('no-such-module')"),
    };
    server.lives()
}

#[test]
fn a_go_program() -> Result<()> {
    const PROGRAM: &str = "prometheus-node-exporter";
    let installed = format!("/usr/bin/{PROGRAM}");
    is_installed(&installed, PROGRAM)?;
    let story = Story::of("go", "games")?;
    let release = |number: u32| -> Result<Tree> {
        let tree = story.changed("release.prom", "release 1", &format!("release {number}"))?;
        fs::create_dir(tree.path().join("bin"))?;
        fs::copy(&installed, tree.path().join("bin").join(PROGRAM))?;
        Ok(tree)
    };
    story.updates(&release(1)?)?;
    story.says("/metrics", "release 1")?;
    story.updates(&release(2)?)?;
    story.says("/metrics", "release 2")?;
    let bad = release(3)?;
    bad.replace("release.toml", "--collector.disable-defaults", "--no-such-flag")?;
    let row = story.undoes(&bad)?;
    ensure!(row["output"].to_string().contains("no-such-flag"), "{row}");
    story.goes_back()?;
    story.says("/metrics", "release 1")?;
    story.stops()
}

#[test]
fn a_java_archive() -> Result<()> {
    const ARCHIVE: &str = "/usr/share/java/h2.jar";
    is_installed("/usr/bin/java", "default-jre-headless")?;
    is_installed(ARCHIVE, "libh2-java")?;
    let story = Story::of("java", "man")?;
    let release = |version: &str| -> Result<Tree> {
        let tree = story.changed("release.toml", "version = \"1.0\"", version)?;
        fs::copy(ARCHIVE, tree.path().join("app.jar"))?;
        Ok(tree)
    };
    story.updates(&release("version = \"1.0\"")?)?;
    story.updates(&release("version = \"2.0\"")?)?;
    story.says("/", "H2 Console")?;
    let bad = release("version = \"3.0\"")?;
    fs::write(bad.path().join("app.jar"), "no archive")?;
    story.undoes(&bad)?;
    story.goes_back()?;
    story.says("/", "H2 Console")?;
    story.stops()
}

/// One command, in Redis' inline form, and the first line of the answer.
fn ask(story: &Story, command: &str) -> Result<String> {
    let mut stream = TcpStream::connect(story.host()?.agent)?;
    write!(stream, "{command}\r\n")?;
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().context("an answer")??;
    if first.starts_with('$') {
        lines.next().context("a value")?.map_err(Into::into)
    } else {
        Ok(first)
    }
}

#[test]
fn redis() -> Result<()> {
    is_installed("/usr/bin/redis-server", "redis-server")?;
    let story = Story::of("redis", "uucp")?;
    story.updates(&story.release()?)?;
    ensure!(ask(&story, "SET note kept")? == "+OK", "it was not taken");
    story.updates(&story.changed("redis.conf", "databases 1", "databases 2")?)?;
    ensure!(ask(&story, "SELECT 1")? == "+OK", "it is not the second release");
    ensure!(ask(&story, "GET note")? == "kept", "what it wrote is gone");
    story.undoes(&story.changed("redis.conf", "databases", "no-such-directive")?)?;
    story.goes_back()?;
    ensure!(ask(&story, "SELECT 1")?.starts_with("-ERR"), "it is not the first release");
    ensure!(ask(&story, "GET note")? == "kept", "what it wrote is gone");
    story.stops()
}

const PRICES: &str = r#"from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_items")]
    operations = [migrations.AddField("Item", "price", models.IntegerField(default=0))]
"#;

#[test]
fn django_with_migrations() -> Result<()> {
    is_installed("/usr/lib/python3/dist-packages/django", "python3-django")?;
    let story = Story::of("django", "proxy")?;
    story.updates(&story.release()?)?;
    story.says("/", "release 1, 0 items")?;
    // It has migrated nothing: its `down` leaves the table.
    story.undoes(&story.changed("wsgi.py", "application =", "no_such_name =")?)?;
    story.says("/", "release 1, 0 items")?;
    let priced = |release: &str| -> Result<Tree> {
        let tree = story.changed("urls.py", "release 1", release)?;
        tree.file("shop/migrations/0002_prices.py", PRICES)?;
        let model = "    price = models.IntegerField(default=0)\n";
        let name = "    name = models.CharField(max_length=100)\n";
        tree.replace("shop/models.py", name, &format!("{name}{model}"))?;
        Ok(tree)
    };
    story.updates(&priced("release 2")?)?;
    story.says("/", "release 2, 0 items")?;
    let bad = priced("release 3")?;
    bad.replace("wsgi.py", "application =", "no_such_name =")?;
    story.undoes(&bad)?;
    story.says("/", "release 2, 0 items")?;
    story.goes_back()?;
    // With a column too many, which has no default in the table, this would fail.
    story.says("/", "release 1, 0 items")?;
    story.stops()
}
