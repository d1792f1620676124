//! A site without a program of its own, which the machine's web server shows.

use std::fs;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Example, LONG, Story, eventually};

/// The machine's nginx, as its administrator has set it up: it shows the release that is current.
struct WebServer(Child);

impl WebServer {
    fn start(story: &Story) -> Result<Self> {
        let host = story.host()?;
        let configuration = host.directory.join("nginx.conf");
        let root = host.install().join("current/html");
        let text = format!(
            "daemon off;\nmaster_process off;\npid {}/nginx.pid;\nevents {{}}\n\
             http {{ access_log off; server {{ listen {}; root {}; }} }}\n",
            host.directory.display(),
            host.agent,
            root.display()
        );
        fs::write(&configuration, text)?;
        let mut nginx = Command::new("nginx");
        nginx.args(["-e", "stderr", "-c"]).arg(&configuration).stderr(Stdio::null());
        let server = Self(nginx.spawn().context("start nginx")?);
        eventually("nginx to answer", LONG, || Story::ask(host.agent, "/").ok().map(drop))?;
        Ok(server)
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn is_upgraded_and_rolled_back_below_a_server_that_goes_on() -> Result<()> {
    let story =
        Story::begin(Example::named("site"), "nobody", |setup| setup.health("attempts", "5"))?;
    let _server = WebServer::start(&story)?;
    story.updates(&story.release()?)?;
    story.says("/", "release 1")?;
    story.updates(&story.changed("html/index.html", "release 1", "release 2")?)?;
    story.says("/", "release 2")?;
    let bad = story.release()?;
    fs::rename(bad.path().join("html/index.html"), bad.path().join("html/other.html"))?;
    let row = story.undoes(&bad)?;
    ensure!(row.to_string().contains("403"), "{row}");
    story.says("/", "release 2")?;
    story.goes_back()?;
    story.says("/", "release 1")?;
    story.stops()
}
