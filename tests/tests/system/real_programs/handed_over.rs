//! The lines of `docs/handover.md`: each program is followed by its next release on the same socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Result, anyhow, ensure};
use fleet_tests::{Example, Story, Tree};

/// A program that is handed over, with the environment that its page says to set.
fn handed_over(example: &str, user: &'static str, environment: &str) -> Result<Story> {
    Story::begin(Example::named(example), user, |setup| {
        setup
            .handover()
            .health("ready_url", "'http://{agent}/'")
            .health("ready_timeout", "'1m'")
            .run("env", environment)
    })
}

/// There and back, while a client asks without an end, each time on a new connection. What `without`
/// names is of no use in a handover.
fn loses_nothing(story: &Story, file: &str, without: Option<(&str, &str)>) -> Result<()> {
    let release = |number: u32| -> Result<Tree> {
        let tree = story.changed(file, "release 1", &format!("release {number}"))?;
        without.map_or(Ok(()), |(file, line)| tree.replace(file, line, ""))?;
        Ok(tree)
    };
    story.updates(&release(1)?)?;
    let ended = Arc::new(AtomicBool::new(false));
    let (agent, until) = (story.host()?.agent, Arc::clone(&ended));
    let client = thread::spawn(move || -> Result<usize> {
        let mut answered = 0;
        while !until.load(Ordering::SeqCst) {
            let answer = Story::ask(agent, "/")?;
            ensure!(answer.contains("release"), "the answer {answered} was {answer:?}");
            answered += 1;
        }
        Ok(answered)
    });
    let ran = story
        .updates(&release(2)?)
        .and_then(|()| story.says("/", "release 2"))
        .and_then(|()| story.goes_back().map(drop))
        .and_then(|()| story.says("/", "release 1"));
    ended.store(true, Ordering::SeqCst);
    let answered = client.join().map_err(|_| anyhow!("the client panicked"))??;
    ran?;
    ensure!(answered > 10, "only {answered} requests were made");
    story.stops()
}

#[test]
fn gunicorn() -> Result<()> {
    loses_nothing(&handed_over("gunicorn", "mail", "{}")?, "app.py", None)
}

#[test]
fn puma() -> Result<()> {
    // The release before still has the socket of that name.
    let shared = "bind \"unix://#{Dir.pwd}/tmp/sockets/puma.sock\"";
    let story = handed_over("puma", "bin", "{}")?;
    loses_nothing(&story, "config.ru", Some(("puma.rb", shared)))
}

#[test]
fn nginx() -> Result<()> {
    let story = handed_over("nginx", "sys", "{ NGINX = '3;' }")?;
    story.updates(&story.release()?)?;
    story.updates(&story.changed("html/index.html", "release 1", "release 2")?)?;
    story.says("/", "release 2")?;
    story.goes_back()?;
    story.says("/", "release 1")?;
    story.stops()
}

#[test]
fn a_program_that_takes_the_third_descriptor() -> Result<()> {
    let story = handed_over("node", "sync", "{}")?;
    let agent = story.host()?.agent;
    let listens = format!(".listen({}, '{}')", agent.port(), agent.ip());
    let release = |number: u32| -> Result<Tree> {
        let tree = story.changed("server.js", "release 1", &format!("release {number}"))?;
        tree.replace("server.js", &listens, ".listen({ fd: 3 })")?;
        Ok(tree)
    };
    story.updates(&release(1)?)?;
    story.updates(&release(2)?)?;
    story.says("/", "release 2")?;
    // As the example has it, it opens a socket of its own.
    let own = story.changed("server.js", "() => cluster.fork()", "() => process.exit(1)")?;
    let row = story.undoes(&own)?;
    ensure!(row.to_string().contains("it did not take LISTEN_FDS"), "{row}");
    story.says("/", "release 2")?;
    story.stops()
}
