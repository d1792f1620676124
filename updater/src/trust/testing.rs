//! A manifest that the `minisign` tool signed, and the keys of two signers. Their secret halves are
//! nowhere.

pub(crate) use crate::config::testing::KEY;
use crate::trust::Presented;

pub(crate) const OTHER_KEY: &str = "RWT2MHjkGQtg5id5iJBjX4k9HkO+WZ8StqRP+woeCzfWWnzx81D/Gba0";

pub(crate) const MANIFEST: &str = "\
format = 1
app = \"agent\"
counter = 42
digest = \"sha256:abababababababababababababababababababababababababababababababab\"
archive_bytes = 1000
unpacked_bytes = 4000
entries = 12
not_after = \"2036-01-02T03:04:05Z\"
";

pub(crate) const SIGNATURE: &str = "\
untrusted comment: nothing
RUTFMQUSrnIjerUWScI3FI/qDF8i9xtW4AW6o/79yjDb/S0j2+GagfcTcS640RyEhqCHTkVFqTTqJYElfvcn8mz00+Odc3s3XgI=
trusted comment: of a test
hnYVNqQXyhb4XeyqT4K8KIdt0LchVl9NGc/LsUIGsjGdT+0BpoIb1jbL/XggKeOTUzkwegm/4iqrZOEj+aYGAg==
";

pub(crate) fn presented(manifest: &str, signature: &str) -> Presented {
    Presented { manifest: Some(manifest.into()), signature: Some(signature.into()) }
}
