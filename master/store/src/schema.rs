//! The tables. A stored format is a promise: a change of it is a new version and a migration, and
//! the tests in `open` read what each earlier version wrote.

/// Marks the file as ours (`PRAGMA application_id`): "swrm".
pub(super) const APPLICATION_ID: u32 = 0x7377_726d;

pub(super) const VERSION_1: &str = "
CREATE TABLE lease (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    epoch    INTEGER NOT NULL,
    holder   TEXT NOT NULL,
    since    TEXT NOT NULL
) STRICT;

CREATE TABLE hosts (
    name                TEXT PRIMARY KEY,
    address             TEXT NOT NULL,
    has_updater         INTEGER NOT NULL,
    updater_port        INTEGER NOT NULL,
    agent_port          INTEGER,
    sans                TEXT NOT NULL,
    fingerprint_current TEXT,
    fingerprint_next    TEXT,
    enrolled_at         TEXT NOT NULL,
    decommissioned_at   TEXT,
    notes               TEXT
) STRICT;

CREATE TABLE labels (
    host  TEXT NOT NULL REFERENCES hosts (name) ON DELETE CASCADE,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (host, key)
) STRICT;

CREATE TABLE certificates (
    fingerprint TEXT PRIMARY KEY,
    host        TEXT NOT NULL,
    role        TEXT NOT NULL,
    issued_at   TEXT NOT NULL,
    not_after   TEXT NOT NULL
) STRICT;

CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    type     TEXT NOT NULL,
    time     TEXT NOT NULL,
    who      TEXT NOT NULL,
    rollout  TEXT,
    host     TEXT,
    release  TEXT,
    data     TEXT NOT NULL
) STRICT;
CREATE INDEX events_of_a_host ON events (host, sequence);
CREATE INDEX events_of_a_rollout ON events (rollout, sequence);

CREATE TABLE releases (
    digest    TEXT PRIMARY KEY,
    name      TEXT,
    version   TEXT,
    sha       TEXT,
    size      INTEGER NOT NULL,
    packed_at TEXT NOT NULL
) STRICT;

CREATE TABLE rollouts (
    id          TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,
    app         TEXT NOT NULL,
    release     TEXT,
    selection   TEXT NOT NULL,
    who         TEXT NOT NULL,
    epoch       INTEGER NOT NULL,
    policy      TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    finished_at TEXT,
    result      TEXT
) STRICT;

CREATE TABLE host_results (
    rollout     TEXT NOT NULL REFERENCES rollouts (id),
    host        TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    code        TEXT,
    detail      TEXT,
    from_digest TEXT,
    to_digest   TEXT,
    transaction_id TEXT,
    duration_ms INTEGER,
    PRIMARY KEY (rollout, host)
) STRICT;

CREATE TABLE desired (
    host    TEXT NOT NULL,
    app     TEXT NOT NULL,
    digest  TEXT NOT NULL,
    rollout TEXT,
    since   TEXT NOT NULL,
    PRIMARY KEY (host, app)
) STRICT;
";

/// What version 2 added: plans, journals, locks and drivers of rollouts, and the fleet's quarantine.
/// A rollout of version 1 has no journal: one that never ended can't be gone on with.
pub(super) const VERSION_2: &str = "
ALTER TABLE rollouts ADD COLUMN state TEXT NOT NULL DEFAULT 'aborted';
ALTER TABLE rollouts ADD COLUMN plan TEXT;
ALTER TABLE rollouts ADD COLUMN planned TEXT;
ALTER TABLE rollouts ADD COLUMN sources TEXT;
UPDATE rollouts SET state = result WHERE result IN ('completed', 'failed');

CREATE TABLE plans (
    digest  TEXT PRIMARY KEY,
    plan    TEXT NOT NULL,
    sources TEXT NOT NULL,
    who     TEXT NOT NULL,
    made_at TEXT NOT NULL
) STRICT;

CREATE TABLE journal (
    rollout  TEXT NOT NULL REFERENCES rollouts (id),
    sequence INTEGER NOT NULL,
    time     TEXT NOT NULL,
    event    TEXT NOT NULL,
    PRIMARY KEY (rollout, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE locks (
    host    TEXT PRIMARY KEY,
    rollout TEXT NOT NULL REFERENCES rollouts (id)
) STRICT;

CREATE TABLE drivers (
    rollout TEXT PRIMARY KEY REFERENCES rollouts (id),
    token   TEXT NOT NULL,
    who     TEXT NOT NULL,
    machine TEXT NOT NULL,
    pid     INTEGER NOT NULL,
    started INTEGER NOT NULL,
    since   TEXT NOT NULL,
    until   TEXT NOT NULL
) STRICT;

CREATE TABLE quarantine (
    digest  TEXT PRIMARY KEY,
    rollout TEXT NOT NULL REFERENCES rollouts (id),
    host    TEXT NOT NULL,
    why     TEXT NOT NULL,
    since   TEXT NOT NULL
) STRICT;
";

/// What version 3 added: hosts that are held, as JSON.
pub(super) const VERSION_3: &str = "
ALTER TABLE hosts ADD COLUMN held TEXT;
";

/// What version 4 changed: the fleet's quarantine is of a release as an app.
pub(super) const VERSION_4: &str = "
CREATE TABLE quarantine_by_app (
    app     TEXT NOT NULL,
    digest  TEXT NOT NULL,
    rollout TEXT NOT NULL REFERENCES rollouts (id),
    host    TEXT NOT NULL,
    why     TEXT NOT NULL,
    since   TEXT NOT NULL,
    PRIMARY KEY (app, digest)
) STRICT;
INSERT INTO quarantine_by_app
    SELECT rollouts.app, digest, rollout, host, why, since
    FROM quarantine JOIN rollouts ON rollouts.id = rollout;
DROP TABLE quarantine;
ALTER TABLE quarantine_by_app RENAME TO quarantine;
";

/// What version 5 added: the release that a host was ordered to run, and the bytes that it wants and has where
/// it has too few.
pub(super) const VERSION_5: &str = "
ALTER TABLE host_results ADD COLUMN target TEXT;
ALTER TABLE host_results ADD COLUMN needed INTEGER;
ALTER TABLE host_results ADD COLUMN free INTEGER;
";
