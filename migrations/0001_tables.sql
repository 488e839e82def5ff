-- Everything that Sereno remembers. One text for SQLite and PostgreSQL: see README.md in this folder.

-- What came in, once an idempotency key.
CREATE TABLE inbox (
    id          TEXT   NOT NULL PRIMARY KEY,
    request_key TEXT   NOT NULL UNIQUE,
    input       TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    state       TEXT   NOT NULL,
    attempt     BIGINT NOT NULL,
    owner       TEXT,
    -- Until when a taken one is its owner's, or from when a new one may be taken.
    due_at      BIGINT NOT NULL
);
CREATE INDEX inbox_state ON inbox (state, due_at, id);

-- Numbers that grow, drawn with UPDATE … RETURNING in the transaction that uses them.
CREATE TABLE counters (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('revision', 0);

-- Messages as they should be and as the platforms have them.
CREATE TABLE messages (
    id             TEXT   NOT NULL PRIMARY KEY,
    seq            BIGINT NOT NULL UNIQUE,
    revision       BIGINT NOT NULL UNIQUE,
    platform       TEXT   NOT NULL,
    channel        TEXT   NOT NULL,
    thread         TEXT,
    author         TEXT,
    whisper_to     TEXT,
    reply_to       TEXT,
    card           TEXT   NOT NULL,
    presses        TEXT   NOT NULL,
    version        BIGINT NOT NULL,
    posted_version BIGINT NOT NULL,
    external       TEXT,
    attempts       BIGINT NOT NULL,
    not_before     BIGINT,
    claimed_until  BIGINT,
    error          TEXT,
    at             BIGINT NOT NULL
);
CREATE INDEX messages_thread ON messages (thread, seq) WHERE thread IS NOT NULL;
CREATE INDEX messages_channel ON messages (channel, seq) WHERE thread IS NULL;
CREATE INDEX messages_reply ON messages (reply_to, seq) WHERE reply_to IS NOT NULL;
CREATE INDEX messages_external ON messages (platform, channel, external) WHERE external IS NOT NULL;
CREATE INDEX messages_due ON messages (platform, seq) WHERE posted_version < version;
CREATE INDEX messages_unposted ON messages (platform, channel, seq) WHERE posted_version = 0;

CREATE TABLE runs (
    id         TEXT   NOT NULL PRIMARY KEY,
    state      TEXT   NOT NULL,
    lock_key   TEXT,
    incident   TEXT,
    created_at BIGINT NOT NULL,
    ended_at   BIGINT,
    body       TEXT   NOT NULL
);
CREATE INDEX runs_state ON runs (state, created_at);
CREATE INDEX runs_created ON runs (created_at, id);
CREATE INDEX runs_incident ON runs (incident, created_at) WHERE incident IS NOT NULL;

CREATE TABLE steps (
    run         TEXT   NOT NULL REFERENCES runs (id),
    position    BIGINT NOT NULL,
    state       TEXT   NOT NULL,
    attempt     BIGINT NOT NULL,
    owner       TEXT,
    lease_until BIGINT,
    not_before  BIGINT,
    approval    TEXT,
    body        TEXT   NOT NULL,
    PRIMARY KEY (run, position)
);
CREATE INDEX steps_state ON steps (state, run, position);

-- Who holds what; the primary key decides who is first.
CREATE TABLE locks (
    lock_key TEXT   NOT NULL PRIMARY KEY,
    run      TEXT   NOT NULL,
    taken_at BIGINT NOT NULL
);
CREATE INDEX locks_run ON locks (run);

CREATE TABLE approvals (
    id          TEXT   NOT NULL PRIMARY KEY,
    run         TEXT   NOT NULL REFERENCES runs (id),
    state       TEXT   NOT NULL,
    plan_digest TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    body        TEXT   NOT NULL
);
CREATE INDEX approvals_run ON approvals (run, created_at);
CREATE INDEX approvals_state ON approvals (state, expires_at);

-- One vote a person.
CREATE TABLE votes (
    approval TEXT    NOT NULL REFERENCES approvals (id),
    person   TEXT    NOT NULL,
    yes      BOOLEAN NOT NULL,
    at       BIGINT  NOT NULL,
    position BIGINT  NOT NULL,
    PRIMARY KEY (approval, person)
);

CREATE TABLE incidents (
    id              TEXT   NOT NULL PRIMARY KEY,
    group_key       TEXT   NOT NULL,
    state           TEXT   NOT NULL,
    severity        TEXT   NOT NULL,
    opened_at       BIGINT NOT NULL,
    acknowledged_at BIGINT,
    resolved_at     BIGINT,
    message         TEXT   NOT NULL,
    body            TEXT   NOT NULL
);
-- One open incident a group, whoever asks.
CREATE UNIQUE INDEX incidents_open ON incidents (group_key) WHERE resolved_at IS NULL;
CREATE INDEX incidents_opened ON incidents (opened_at, id);
CREATE INDEX incidents_message ON incidents (message);

CREATE TABLE alerts (
    incident    TEXT    NOT NULL REFERENCES incidents (id),
    source      TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    position    BIGINT  NOT NULL,
    arrived_at  BIGINT  NOT NULL,
    firing      BOOLEAN NOT NULL,
    starts_at   BIGINT  NOT NULL,
    -- When its present state began: its start while it fires, its end once it is resolved.
    since       BIGINT  NOT NULL,
    -- How often it turned since it was first seen here.
    turns       BIGINT  NOT NULL,
    body        TEXT    NOT NULL,
    PRIMARY KEY (incident, source, fingerprint)
);

CREATE TABLE handoffs (
    id          TEXT   NOT NULL PRIMARY KEY,
    team        TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    outgoing    TEXT,
    incoming    TEXT   NOT NULL,
    message     TEXT   NOT NULL,
    accepted_at BIGINT,
    accepted_by TEXT,
    UNIQUE (team, at)
);

-- Review tasks that a break of glass leaves behind.
CREATE TABLE reviews (
    id        TEXT   NOT NULL PRIMARY KEY,
    run       TEXT   NOT NULL,
    opened_by TEXT   NOT NULL,
    opened_at BIGINT NOT NULL,
    reason    TEXT   NOT NULL,
    message   TEXT   NOT NULL,
    closed_by TEXT,
    closed_at BIGINT,
    note      TEXT
);
CREATE INDEX reviews_open ON reviews (opened_at, id) WHERE closed_at IS NULL;

-- What a schedule has fired, so that replicas fire it once.
CREATE TABLE firings (
    schedule TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (schedule, at)
);

-- One-time links and sessions of the console, by the digest of their token.
CREATE TABLE links (
    digest     TEXT   NOT NULL PRIMARY KEY,
    person     TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE TABLE sessions (
    digest     TEXT   NOT NULL PRIMARY KEY,
    person     TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
);

-- The hash chain.
CREATE TABLE timeline (
    seq    BIGINT NOT NULL PRIMARY KEY,
    stream TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    actor  TEXT   NOT NULL,
    kind   TEXT   NOT NULL,
    body   TEXT   NOT NULL,
    prev   TEXT   NOT NULL,
    hash   TEXT   NOT NULL
);
CREATE INDEX timeline_stream ON timeline (stream, seq);
CREATE INDEX timeline_at ON timeline (at, seq);

-- Its recorded end: one row, updated by every append.
CREATE TABLE chain (
    name TEXT   NOT NULL PRIMARY KEY,
    seq  BIGINT NOT NULL,
    hash TEXT   NOT NULL
);
INSERT INTO chain (name, seq, hash)
VALUES ('head', 0, '0000000000000000000000000000000000000000000000000000000000000000');
