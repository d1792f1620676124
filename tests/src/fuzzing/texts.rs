//! Texts that people write, and that others may have written for them.

use std::collections::BTreeMap;

use control::select::Pattern;
use protocol::{ReleaseManifest, SignedManifest};
use store::{Host, Pinned};
use time::OffsetDateTime;
use updater::config::{Config, TrustedKey, validate};
use updater::trust::{TrustedKeys, UnverifiedManifest};

/// A public key whose secret half is nowhere.
const KEY: &str = "RWTFMQUSrnIjenzEHmDSAV2G7ca8LzWfLEmpKbK+w5fOo54dM1u+np6i";
/// What it has signed.
const SIGNED: &str = "format = 1\napp = \"agent\"\ncounter = 42\n\
    digest = \"sha256:abababababababababababababababababababababababababababababababab\"\n\
    archive_bytes = 1000\nunpacked_bytes = 4000\nentries = 12\n\
    not_after = \"2036-01-02T03:04:05Z\"\n";
const SIGNATURE: &str = "untrusted comment: nothing\n\
    RUTFMQUSrnIjerUWScI3FI/qDF8i9xtW4AW6o/79yjDb/S0j2+GagfcTcS640RyEhqCHTkVFqTTqJYElfvcn8mz00+Odc3s3XgI=\n\
    trusted comment: of a test\n\
    hnYVNqQXyhb4XeyqT4K8KIdt0LchVl9NGc/LsUIGsjGdT+0BpoIb1jbL/XggKeOTUzkwegm/4iqrZOEj+aYGAg==\n";

/// `release.toml`.
pub(super) fn manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match ReleaseManifest::parse(text) {
        Ok(manifest) => drop(manifest),
        Err(error) => drop(error.to_string()),
    }
}

/// A signed manifest: alone, and with its signature after a NUL.
pub(super) fn signed(data: &[u8]) {
    if let Ok(manifest) = SignedManifest::parse(data) {
        let text = manifest.render().unwrap_or_default();
        assert_eq!(SignedManifest::parse(text.as_bytes()), Ok(manifest), "{text}");
    }
    let nul = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (manifest, signature) = data.split_at(nul);
    let signature = signature.get(1..).map(<[u8]>::to_vec);
    let presented = UnverifiedManifest { manifest: Some(manifest.to_vec()), signature };
    let keys = TrustedKeys::load(&[TrustedKey::Line(KEY.to_owned())]).unwrap_or_default();
    match keys.verify(&presented) {
        Ok(accepted) => assert_eq!(manifest, SIGNED.as_bytes(), "{accepted:?}"),
        Err(error) => drop(error.to_string()),
    }
}

/// `updater.toml`.
pub(super) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Config::parse(text) {
        Ok(config) => validate(&config).iter().for_each(|finding| drop(finding.to_string())),
        Err(error) => drop(error.to_string()),
    }
}

/// `--select`.
pub(super) fn pattern(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let hosts: Vec<Host> = ["web-1", "web-2", "db.example"].into_iter().filter_map(host).collect();
    match Pattern::parse(text).and_then(|pattern| pattern.select(&hosts)) {
        Ok(names) => assert!(!names.is_empty(), "{text:?} selects nothing"),
        Err(error) => drop(error.to_string()),
    }
}

pub(super) fn manifests() -> Vec<Vec<u8>> {
    let texts = [
        "name = 'web'\nversion = '1.2'\nos = 'linux'\narch = 'x86_64'\n",
        "[build]\ncommand = 'make all'\ntimeout = '5m'\n[run]\ncommand = ['bin/web', '-p', '80']\n",
        "[pack]\ninclude = ['bin/**']\nexclude = ['*.o']\n[hooks]\nbefore_switch = 'bin/check'\n",
        "[migrations]\nup = 'up'\ndown = 'down'\nreversible = true\n[units]\n'a.service' = 'a'\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

pub(super) fn signatures() -> Vec<Vec<u8>> {
    let both = format!("{SIGNED}\0{SIGNATURE}");
    vec![SIGNED.as_bytes().to_vec(), both.into_bytes()]
}

pub(super) fn configs() -> Vec<Vec<u8>> {
    let text = "listen = '0.0.0.0:8766'\nidentity = 'identity'\nstate_dir = '/var/lib/updater'\n\
        [limits]\narchive_bytes = '2GiB'\nentries = 200000\nbody_timeout = '30s'\n\
        [self]\ninstall_dir = '/opt/updater'\n\
        [app.agent]\ninstall_dir = '/opt/agent'\nkeep = 3\nuser = 'agent'\nlinks = ['.env', 'data/']\n\
        build = 'auto'\n\
        [app.agent.run]\nkind = 'process'\ncommand = ['bin/agent']\nenv = { A = 'b' }\n\
        [app.agent.health]\nurl = 'https://127.0.0.1:8765/health'\nrelease_pointer = '/release'\n\
        attempts = 10\ninterval = '1s'\nwatch = '60s'\n";
    vec![text.as_bytes().to_vec()]
}

pub(super) fn patterns() -> Vec<Vec<u8>> {
    let texts = ["all", "web-*", "web-1,db*", "all:!web-2", "role=web:&zone=eu-*", "we[bx]-?"];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

fn host(name: &str) -> Option<Host> {
    let labels = [("role", "web"), ("zone", "eu-1")];
    Some(Host {
        name: name.parse().ok()?,
        address: "127.0.0.1".parse().ok()?,
        has_updater: true,
        updater_port: 8766,
        agent_port: None,
        sans: Vec::new(),
        labels: BTreeMap::from(labels.map(|(key, value)| (key.to_owned(), value.to_owned()))),
        pinned: Pinned::default(),
        enrolled_at: OffsetDateTime::UNIX_EPOCH,
        decommissioned_at: None,
        notes: None,
        held: None,
    })
}
