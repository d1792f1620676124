//! What the builds of a test have to be told of the machine that they run on.

/// Builds need the machine's own way to its package indexes, and its compilers.
pub fn build_environment() -> String {
    let mut all = ways_out();
    all.extend(variable("PATH"));
    let home = std::env::var("HOME").unwrap_or_default();
    for (name, directory) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let own = (name.to_owned(), format!("{home}/{directory}"));
        all.push(variable(name).unwrap_or(own));
    }
    table(&all)
}

/// The same for a user other than the one who runs the tests, whose compilers are out of reach. It has the
/// machine's, and these variables besides.
pub fn build_environment_of_user(more: &[(&str, &str)]) -> String {
    let mut all = ways_out();
    all.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    table(&all)
}

/// Proxies, certificates, and how long to wait for an index.
fn ways_out() -> Vec<(String, String)> {
    let leads_out = |name: &str| {
        name.starts_with("PIP_")
            || name.to_ascii_lowercase().ends_with("_proxy")
            || ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"].contains(&name)
    };
    std::env::vars().filter(|(name, _)| leads_out(name)).collect()
}

fn variable(name: &str) -> Option<(String, String)> {
    Some((name.to_owned(), std::env::var(name).ok()?))
}

/// As TOML has it.
fn table(variables: &[(String, String)]) -> String {
    let pairs: Vec<String> =
        variables.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
    format!("{{ {} }}", pairs.join(", "))
}
