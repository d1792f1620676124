//! Names of headers, and of media types, that are ours.

/// The master's epoch: a number that only grows.
pub const EPOCH: &str = "swarm-epoch";
/// The order's own name, chosen by the caller; it comes back in `last` and in the history, so
/// that a caller who lost the answer finds it again.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// With `GET /health`: ask the apps' own probes anew first, and wait for so long at most (`8s`).
pub const PROBE: &str = "swarm-probe";
/// On the local socket: the login name of the operator who typed the command.
pub const OPERATOR: &str = "swarm-operator";
/// The transaction that an answer is about.
pub const TRANSACTION: &str = "swarm-transaction";
/// The archive's digest (RFC 9530).
pub const CONTENT_DIGEST: &str = "content-digest";
/// The archive's signed manifest, in base64.
pub const MANIFEST: &str = "swarm-manifest";
/// The signature of that manifest, in base64.
pub const SIGNATURE: &str = "swarm-signature";
/// The media type of a stream of events.
pub const NDJSON: &str = "application/x-ndjson";
/// The media type of a problem (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";
