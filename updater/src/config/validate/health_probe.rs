//! `[app.<name>.health]`: the probe and the watch.

use std::net::SocketAddr;

use http::{HeaderName, HeaderValue, Method};
use rustls::pki_types::ServerName;

use super::refuse_zero;
use crate::config::{Finding, HealthConfig, UNIX, is_local, split_unix};

pub(super) fn validate(section: &str, health: &HealthConfig, findings: &mut Vec<Finding>) {
    validate_target(section, health, findings);
    if let Some(url) = &health.ready_url {
        validate_url(format!("{section}.ready_url"), url, findings);
    }
    validate_headers(section, health, findings);
    validate_question(section, health, findings);
    validate_tls(section, health, findings);
    validate_pointer(section, health, findings);
    for (name, zero) in [
        ("attempts", health.attempts == 0),
        ("passes", health.passes == 0),
        ("watch_failures", health.watch_failures == 0),
        ("interval", health.interval.0.is_zero()),
        ("timeout", health.timeout.0.is_zero()),
        ("every", health.every.0.is_zero()),
        ("ready_timeout", health.ready_timeout.0.is_zero()),
    ] {
        refuse_zero(format!("{section}.{name}"), zero, findings);
    }
    if health.passes > health.attempts {
        findings.push(Finding::error(
            format!("{section}.passes"),
            "is more than attempts: no release could pass",
        ));
    }
    if health.watch.0.is_zero() {
        findings.push(
            Finding::warning(format!("{section}.watch"), "a release that dies later stays")
                .hint(format!("the default is {}", HealthConfig::default().watch)),
        );
    }
}

fn validate_target(section: &str, health: &HealthConfig, findings: &mut Vec<Finding>) {
    let set = [
        ("url", health.url.is_some()),
        ("tcp", health.tcp.is_some()),
        ("command", health.command.is_some()),
    ];
    let names: Vec<&str> = set.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect();
    if names.len() > 1 {
        findings.push(
            Finding::error(section, format!("{} are set", names.join(" and ")))
                .hint("one of url, tcp and command"),
        );
    }
    if names.is_empty() {
        findings.push(
            Finding::warning(section, "nothing is asked: a release that runs counts as healthy")
                .hint("set url, tcp or command"),
        );
    }
    if let Some(url) = &health.url {
        validate_url(format!("{section}.url"), url, findings);
    }
    if let Some(tcp) = &health.tcp
        && tcp.parse::<SocketAddr>().is_err()
    {
        findings.push(
            Finding::error(format!("{section}.tcp"), format!("{tcp:?} is not an address"))
                .hint("for example 127.0.0.1:6379"),
        );
    }
    if let Some(command) = &health.command
        && command.0.first().is_none_or(String::is_empty)
    {
        findings.push(Finding::error(format!("{section}.command"), "is empty"));
    }
}

fn validate_url(key: String, url: &str, findings: &mut Vec<Finding>) {
    if url.starts_with(UNIX) {
        let path = split_unix(url).map(|(_, path)| path.parse::<http::uri::PathAndQuery>());
        if !matches!(path, Some(Ok(_))) {
            findings.push(
                Finding::error(key, format!("{url:?} names no socket"))
                    .hint("for example unix:run/app.sock:/health, relative to the release"),
            );
        }
        return;
    }
    let parts = url.parse::<http::Uri>().ok().map(http::Uri::into_parts);
    let Some((scheme, authority)) = parts.and_then(|parts| parts.scheme.zip(parts.authority))
    else {
        findings.push(
            Finding::error(key, format!("{url:?} is not a whole URL"))
                .hint("for example https://127.0.0.1:8765/health"),
        );
        return;
    };
    if !["http", "https"].contains(&scheme.as_str()) {
        findings.push(Finding::error(key, format!("{scheme} is neither http nor https")));
    } else if authority.as_str().contains('@') {
        findings.push(Finding::error(key, "has a password, which every log would show"));
    } else if !has_a_port_or_none(&authority) {
        findings.push(Finding::error(key, format!("{authority} has no port from 1 to 65535")));
    } else if scheme == http::uri::Scheme::HTTP && !is_local(authority.host()) {
        findings.push(Finding::warning(key, "asks another machine, in clear"));
    }
}

/// What is written as a port may be none: it would be taken for the scheme's own.
fn has_a_port_or_none(authority: &http::uri::Authority) -> bool {
    let written = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    written.is_empty() || authority.port_u16().is_some_and(|port| port > 0)
}

/// What is asked, and which answers pass.
fn validate_question(section: &str, health: &HealthConfig, findings: &mut Vec<Finding>) {
    if Method::from_bytes(health.method.as_bytes()).is_err()
        || health.method != health.method.to_ascii_uppercase()
    {
        findings.push(
            Finding::error(
                format!("{section}.method"),
                format!("{:?} is no method", health.method),
            )
            .hint("for example \"GET\", \"HEAD\" or \"POST\""),
        );
    }
    for status in health.expect.iter().filter(|status| !(100..=599).contains(*status)) {
        let text = format!("{status} is no status");
        findings.push(Finding::error(format!("{section}.expect"), text).hint("from 100 to 599"));
    }
    let default = HealthConfig::default();
    let set = [
        ("method", health.method != default.method),
        ("expect", health.expect != default.expect),
        ("any_body", health.any_body != default.any_body),
    ];
    let asks = health.url.is_some() || health.ready_url.is_some();
    for (name, _) in set.iter().filter(|(_, set)| *set && !asks) {
        findings.push(Finding::warning(format!("{section}.{name}"), "means nothing without a url"));
    }
}

fn validate_headers(section: &str, health: &HealthConfig, findings: &mut Vec<Finding>) {
    let host = health.host.iter().map(|host| ("host".to_owned(), "host", host));
    let more = health.headers.iter();
    let more = more.map(|(name, value)| (format!("headers.{name}"), name.as_str(), value));
    for (key, name, value) in host.chain(more) {
        let key = format!("{section}.{key}");
        if name.parse::<HeaderName>().is_err() || value.parse::<HeaderValue>().is_err() {
            let wrong = format!("{name:?} = {value:?} is no header");
            findings.push(Finding::error(&key, wrong).hint("for example \"www.example.org\""));
        }
        if health.url.is_none() && health.ready_url.is_none() {
            findings.push(Finding::warning(&key, "means nothing without a url"));
        }
        if key.ends_with("headers.host") || (name.eq_ignore_ascii_case("host") && name != "host") {
            let other = Finding::error(&key, "is a header of its own here");
            findings.push(other.hint("write it as host"));
        }
    }
}

fn validate_tls(section: &str, health: &HealthConfig, findings: &mut Vec<Finding>) {
    if health.anonymous && health.identity.is_some() {
        findings.push(
            Finding::error(format!("{section}.anonymous"), "is set, and identity too")
                .hint("an anonymous probe shows no certificate"),
        );
    }
    let urls = [&health.url, &health.ready_url];
    let https = urls.into_iter().flatten().any(|url| url.starts_with("https:"));
    let tls_keys = [
        ("identity", health.identity.is_some()),
        ("anonymous", health.anonymous),
        ("verify", !health.verify),
        ("server_name", health.server_name.is_some()),
        ("insecure_localhost", health.insecure_localhost),
    ];
    if health.server_name.as_ref().is_some_and(|name| ServerName::try_from(name.as_str()).is_err())
    {
        let key = format!("{section}.server_name");
        findings.push(
            Finding::error(key, "is no name of a server").hint("for example app.example.org"),
        );
    }
    let elsewhere = |url: &&String| {
        let uri = url.parse::<http::Uri>().ok();
        uri.is_some_and(|uri| uri.host().is_some_and(|host| !is_local(host)))
    };
    if health.insecure_localhost
        && [&health.url, &health.ready_url].into_iter().flatten().any(|url| elsewhere(&url))
    {
        findings.push(
            Finding::error(
                format!("{section}.insecure_localhost"),
                "is for a url of this machine alone",
            )
            .hint("its certificate is verified; server_name says for which name"),
        );
    }
    for (name, _) in tls_keys.iter().filter(|(_, set)| *set && !https) {
        findings.push(Finding::warning(
            format!("{section}.{name}"),
            "means nothing without an https url",
        ));
    }
    if https && !health.verify {
        findings.push(Finding::warning(
            format!("{section}.verify"),
            "any process that has the port may answer for the agent",
        ));
    }
}

fn validate_pointer(section: &str, health: &HealthConfig, findings: &mut Vec<Finding>) {
    let Some(pointer) = &health.release_pointer else { return };
    let key = format!("{section}.release_pointer");
    if health.url.is_none() {
        findings.push(
            Finding::error(&key, "is set, and no url")
                .hint("it points into the JSON that the url answers"),
        );
    }
    if !pointer.starts_with('/') {
        findings.push(
            Finding::error(&key, format!("{pointer:?} does not begin with /"))
                .hint("it is a JSON pointer (RFC 6901), for example /release"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_said, said_of_app};

    fn said_of_health(lines: &str) -> Vec<String> {
        said_of_app(&format!("[app.agent.health]\n{lines}"))
    }

    #[test]
    fn one_thing_is_asked() {
        let found = said_of_health("url = 'http://127.0.0.1/'\ntcp = '127.0.0.1:1'\n");
        assert_said(&found, "error: app.agent.health: url and tcp are set");
        assert_said(&said_of_health(""), "warning: app.agent.health: nothing is asked");
    }

    #[test]
    fn targets_must_be_whole() {
        for (line, expected) in [
            ("url = '/health'", "error: app.agent.health.url: "),
            ("url = 'ftp://127.0.0.1/'", "error: app.agent.health.url: ftp is neither"),
            ("url = 'http://u:p@127.0.0.1/'", "error: app.agent.health.url: has a password"),
            ("url = 'http://10.0.0.1/'", "warning: app.agent.health.url: asks another"),
            (
                "url = 'http://127.0.0.1:99999/'",
                "error: app.agent.health.url: 127.0.0.1:99999 has no",
            ),
            ("url = 'http://[::1]:0/'", "error: app.agent.health.url: [::1]:0 has no port"),
            ("tcp = '6379'", "error: app.agent.health.tcp: "),
            ("command = []", "error: app.agent.health.command: is empty"),
        ] {
            assert_said(&said_of_health(line), expected);
        }
    }

    #[test]
    fn headers_are_headers_and_the_host_is_written_as_such() {
        let url = "url = 'http://127.0.0.1/'\n";
        let found = said_of_health(&format!("{url}host = 'www.example.org'\n"));
        assert!(!found.iter().any(|said| said.contains("health.host")), "{found:?}");
        let found = said_of_health(&format!("{url}headers = {{ 'a b' = 'c' }}\n"));
        assert_said(&found, "error: app.agent.health.headers.a b: \"a b\" = \"c\" is no header");
        let found = said_of_health(&format!("{url}headers = {{ Host = 'c' }}\n"));
        assert_said(&found, "error: app.agent.health.headers.Host: is a header of its own");
        let found = said_of_health("tcp = '127.0.0.1:1'\nhost = 'c'\n");
        assert_said(&found, "warning: app.agent.health.host: means nothing");
    }

    #[test]
    fn what_is_asked_and_expected_can_be_asked_and_answered() {
        let url = "url = 'http://127.0.0.1/'\n";
        let fine = "method = 'HEAD'\nexpect = [200, 204, 301]\nany_body = true\n";
        let found = said_of_health(&format!("{url}{fine}"));
        assert!(!found.iter().any(|said| said.contains("health")), "{found:?}");
        let found = said_of_health(&format!("{url}method = 'get it'\nexpect = [20]\n"));
        assert_said(&found, "error: app.agent.health.method: \"get it\" is no method");
        assert_said(&found, "error: app.agent.health.expect: 20 is no status");
        let found = said_of_health("tcp = '127.0.0.1:1'\nexpect = [200]\n");
        assert_said(&found, "warning: app.agent.health.expect: means nothing");
    }

    #[test]
    fn a_socket_is_named_with_what_is_asked_there() {
        let found = said_of_health("url = 'unix:run/app.sock:/health'\n");
        assert!(!found.iter().any(|said| said.contains("health")), "{found:?}");
        for url in ["unix:", "unix:../app.sock:/health"] {
            let found = said_of_health(&format!("url = '{url}'\n"));
            assert_said(&found, "error: app.agent.health.url: ");
        }
    }

    #[test]
    fn only_this_machine_is_believed_without_a_certificate() {
        let found = said_of_health("url = 'https://localhost/'\ninsecure_localhost = true\n");
        assert!(!found.iter().any(|said| said.contains("health")), "{found:?}");
        let found = said_of_health("url = 'https://example.org/'\ninsecure_localhost = true\n");
        assert_said(&found, "error: app.agent.health.insecure_localhost: is for a url of this");
        let found = said_of_health("url = 'https://localhost/'\nserver_name = 'a b'\n");
        assert_said(&found, "error: app.agent.health.server_name: ");
    }

    #[test]
    fn a_pointer_needs_a_url_and_a_slash() {
        let found = said_of_health("tcp = '127.0.0.1:1'\nrelease_pointer = 'release'\n");
        assert_said(&found, "error: app.agent.health.release_pointer: is set, and no url");
        assert_said(&found, "error: app.agent.health.release_pointer: \"release\" does not");
    }

    #[test]
    fn what_no_release_could_pass_is_an_error() {
        let found = said_of_health("attempts = 2\npasses = 3\nwatch_failures = 0\ntimeout = '0'\n");
        assert_said(&found, "error: app.agent.health.passes: is more than attempts");
        assert_said(&found, "error: app.agent.health.watch_failures: must be more than zero");
        assert_said(&found, "error: app.agent.health.timeout: must be more than zero");
    }

    #[test]
    fn an_identity_and_none_do_not_go_together() {
        let found =
            said_of_health("url = 'https://127.0.0.1/'\nanonymous = true\nidentity = '/etc/x'\n");
        assert_said(&found, "error: app.agent.health.anonymous: ");
        let found = said_of_health("url = 'http://127.0.0.1/'\nidentity = '/etc/x'\n");
        assert_said(&found, "warning: app.agent.health.identity: means nothing");
    }
}
