-- A store as format 1 wrote it. Never edit this file: a newer swarm has to read it as it is.
PRAGMA foreign_keys = OFF;
PRAGMA application_id = 1937207917;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE certificates (
    fingerprint TEXT PRIMARY KEY,
    host        TEXT NOT NULL,
    role        TEXT NOT NULL,
    issued_at   TEXT NOT NULL,
    not_after   TEXT NOT NULL
) STRICT;
INSERT INTO "certificates" VALUES('abababababababababababababababababababababababababababababababab','web-1','updater','2026-11-21T11:02:37.625282199Z','2027-02-19T11:02:37Z');
CREATE TABLE desired (
    host    TEXT NOT NULL,
    app     TEXT NOT NULL,
    digest  TEXT NOT NULL,
    rollout TEXT,
    since   TEXT NOT NULL,
    PRIMARY KEY (host, app)
) STRICT;
INSERT INTO "desired" VALUES('web-1','agent','sha256:0707070707070707070707070707070707070707070707070707070707070707','01a1fdc5-bf24-74f3-8336-7d107553add0','2026-11-21T11:05:00Z');
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
INSERT INTO "events" VALUES(1,'01a1fdc5-bf3a-73fb-be2c-3fc6a753b82c','host.updated','2026-11-21T11:05:00Z','ada','01a1fdc5-bf24-74f3-8336-7d107553add0','web-1','sha256:0707070707070707070707070707070707070707070707070707070707070707','{"duration_ms":1200}');
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
INSERT INTO "host_results" VALUES('01a1fdc5-bf24-74f3-8336-7d107553add0','web-1','updated',NULL,NULL,'sha256:0808080808080808080808080808080808080808080808080808080808080808','sha256:0707070707070707070707070707070707070707070707070707070707070707','01a1fdc5-bf40-7000-8000-000000000001',1200);
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
INSERT INTO "hosts" VALUES('web-1','10.0.0.11',1,8766,8765,'["a.example.org","10.0.0.9"]','abababababababababababababababababababababababababababababababab',NULL,'2026-11-21T11:02:37.625282199Z',NULL,'rack 3');
INSERT INTO "hosts" VALUES('web-2','10.0.0.12',1,8766,NULL,'[]',NULL,NULL,'2026-11-21T11:02:38Z','2026-11-21T12:00:00Z',NULL);
CREATE TABLE labels (
    host  TEXT NOT NULL REFERENCES hosts (name) ON DELETE CASCADE,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (host, key)
) STRICT;
INSERT INTO "labels" VALUES('web-1','role','web');
CREATE TABLE lease (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    epoch    INTEGER NOT NULL,
    holder   TEXT NOT NULL,
    since    TEXT NOT NULL
) STRICT;
INSERT INTO "lease" VALUES(1,1795258348,'ada','2026-11-21T11:02:37.549354745Z');
CREATE TABLE releases (
    digest    TEXT PRIMARY KEY,
    name      TEXT,
    version   TEXT,
    sha       TEXT,
    size      INTEGER NOT NULL,
    packed_at TEXT NOT NULL
) STRICT;
INSERT INTO "releases" VALUES('sha256:0707070707070707070707070707070707070707070707070707070707070707','greeter','1.4.0','0123abc',2000,'2026-11-21T11:04:00Z');
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
INSERT INTO "rollouts" VALUES('01a1fdc5-bf24-74f3-8336-7d107553add0','update','agent','sha256:0707070707070707070707070707070707070707070707070707070707070707','--all','ada',1795258348,'{"parallel":16}','2026-11-21T11:04:30Z','2026-11-21T11:05:01Z','completed');
CREATE INDEX events_of_a_host ON events (host, sequence);
CREATE INDEX events_of_a_rollout ON events (rollout, sequence);
COMMIT;
