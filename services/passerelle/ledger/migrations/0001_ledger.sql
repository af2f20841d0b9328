-- The recognition ledger. Everything that one commit writes lies here, so that it is written together or not at all.
-- Hashes are 32 bytes; instants are Unix milliseconds; indices count log entries from 0.

CREATE SCHEMA IF NOT EXISTS ledger;

-- The head of the log: one row. Each commit first moves it by compare-and-swap on (generation, size).
CREATE TABLE ledger.head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    network text NOT NULL,
    generation bigint NOT NULL DEFAULT 0,
    size bigint NOT NULL DEFAULT 0,
    accepted_at bigint NOT NULL DEFAULT 0,
    -- No later entry is earlier than this; raised at least each second, also when idle.
    floor bigint NOT NULL DEFAULT 0,
    -- Right-edge subtree hashes of the Merkle tree, largest subtree first, 32 bytes each.
    frontier bytea NOT NULL DEFAULT ''
);

-- Which process writes. Taking over raises the generation, here and in the head: a zombie's next commit finds no row.
CREATE TABLE ledger.lease (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    generation bigint NOT NULL DEFAULT 0,
    holder text NOT NULL DEFAULT '',
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO ledger.lease DEFAULT VALUES;

-- One row an entry, accepted or refused. `entry` is the exact leaf; `code` is null where accepted.
CREATE TABLE ledger.entry (
    index bigint PRIMARY KEY,
    accepted_at bigint NOT NULL,
    member text NOT NULL,
    family text NOT NULL,
    sequence bigint NOT NULL,
    visibility text NOT NULL,
    code text,
    -- {"field", "what", "fix"} as the sender was told; null where accepted
    refusal jsonb,
    type text,
    subject text,
    digest bytea NOT NULL,
    entry bytea NOT NULL,
    -- topic/partition/offset of the ingress record
    ingress text NOT NULL,
    UNIQUE (member, family, sequence)
);

-- Bodies lie apart from the entries, so that they can go without touching the log.
CREATE TABLE ledger.public_body (
    index bigint PRIMARY KEY,
    sha256 bytea NOT NULL,
    body bytea
);
CREATE INDEX public_body_sha256 ON ledger.public_body USING hash (sha256);

CREATE TABLE ledger.party_body (
    index bigint PRIMARY KEY,
    subject text NOT NULL,
    parties text[] NOT NULL,
    -- null once erased
    body bytea
);
CREATE INDEX party_body_subject ON ledger.party_body USING hash (subject);

-- Bodies of refused events: for the operator and the sender, 30 days.
CREATE TABLE ledger.refused_body (
    index bigint PRIMARY KEY,
    member text NOT NULL,
    -- null where the body could not be read
    subject text,
    arrived_at bigint NOT NULL,
    body bytea
);
CREATE INDEX refused_body_subject ON ledger.refused_body USING hash (subject);
CREATE INDEX refused_body_arrived_at ON ledger.refused_body (arrived_at);

-- Where each stream stands.
CREATE TABLE ledger.stream (
    member text NOT NULL,
    family text NOT NULL,
    sequence bigint NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (member, family)
);

-- Read model: the present state of every thing (passerelle.core.things).
CREATE TABLE ledger.thing (
    key text PRIMARY KEY,
    kind text NOT NULL,
    id text NOT NULL,
    state text NOT NULL,
    version bigint NOT NULL,
    owner text NOT NULL,
    created bigint NOT NULL,
    changed bigint NOT NULL,
    data jsonb NOT NULL
);
CREATE INDEX thing_case_receiver ON ledger.thing ((data ->> 'receiver'), changed) WHERE kind = 'transfer';
CREATE INDEX thing_case_sender ON ledger.thing ((data ->> 'sender'), changed) WHERE kind = 'transfer';

-- Read model: `dependent` rests on `on_key`; `member` is told when it changes.
CREATE TABLE ledger.dependency (
    on_key text NOT NULL,
    dependent text NOT NULL,
    member text NOT NULL,
    PRIMARY KEY (on_key, dependent, member)
);
CREATE INDEX dependency_dependent ON ledger.dependency (dependent);

-- Read model: one row a member, and the whole registry as the ledger reloads it.
CREATE TABLE ledger.member (
    member text PRIMARY KEY,
    changed bigint NOT NULL,
    record jsonb NOT NULL
);
CREATE TABLE ledger.registry (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    snapshot jsonb NOT NULL
);

-- Read model: entries by hour and family.
CREATE TABLE ledger.volume (
    hour bigint NOT NULL,
    family text NOT NULL,
    accepted bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (hour, family)
);

-- Merkle tiles (C2SP tlog-tiles, height 8): the hashes so far of tile (level, n), 32 bytes each.
CREATE TABLE ledger.tile (
    level smallint NOT NULL,
    n bigint NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (level, n)
);
-- Hashes do not compress: trying to would only cost time.
ALTER TABLE ledger.tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- Events that wait for an earlier number or for a thing of another stream: the ingress record as it came.
CREATE TABLE ledger.waiting (
    member text NOT NULL,
    family text NOT NULL,
    sequence bigint NOT NULL,
    arrived_at bigint NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    key bytea,
    -- [[name, base64 value], ...]
    headers jsonb NOT NULL,
    value bytea,
    PRIMARY KEY (member, family, sequence)
);

-- Ingress positions: the next offset to read.
CREATE TABLE ledger.ingress (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);

-- Another statement at a spent or waiting number, or a wrong link: kept once as evidence, no index. The body goes after
-- 30 days.
CREATE TABLE ledger.conflict (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    arrived_at bigint NOT NULL,
    member text NOT NULL,
    family text NOT NULL,
    sequence bigint NOT NULL,
    -- SHA-256 of the statement
    digest bytea NOT NULL,
    statement bytea NOT NULL,
    signature bytea NOT NULL,
    key_id text NOT NULL,
    -- [[name, base64 value], ...]: with path and place the signature can be checked again
    headers jsonb NOT NULL,
    body bytea,
    UNIQUE (member, family, sequence, digest)
);
CREATE INDEX conflict_arrived_at ON ledger.conflict (arrived_at) WHERE body IS NOT NULL;

-- Outgoing: what others are told. Rows of `inbox` go out once the feed acked entries 0 .. size - 1. They stay 30 days.
CREATE TABLE ledger.inbox (
    member text NOT NULL,
    number bigint NOT NULL,
    kind text NOT NULL,
    size bigint NOT NULL,
    -- of kind `body` only: the record is made from entry and party_body of this index, so that erasing reaches it too
    entry_index bigint,
    -- JSON; null for kind `body`
    value bytea,
    created_at bigint NOT NULL,
    PRIMARY KEY (member, number),
    CHECK ((kind = 'body') = (entry_index IS NOT NULL) AND (kind = 'body') = (value IS NULL))
);
CREATE INDEX inbox_created_at ON ledger.inbox (created_at);
CREATE TABLE ledger.inbox_head (
    member text PRIMARY KEY,
    number bigint NOT NULL,
    published bigint NOT NULL DEFAULT 0
);
-- What verifies under no key of the member it names: the operator's refused topic.
CREATE TABLE ledger.unverified (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    arrived_at bigint NOT NULL,
    ingress text NOT NULL,
    code text NOT NULL,
    value bytea NOT NULL
);
-- One summary a commit, for the insight service; deleted once acked.
CREATE TABLE ledger.summary (
    size bigint PRIMARY KEY,
    value bytea NOT NULL
);
-- How far each outgoing topic is acked: 'feed' (next index), 'registry' (next index), 'summary' (size).
CREATE TABLE ledger.published (
    name text PRIMARY KEY,
    position bigint NOT NULL
);

-- Signed checkpoints. `shown` once acked on the checkpoint topic: only then it is served.
CREATE TABLE ledger.checkpoint (
    size bigint PRIMARY KEY,
    root bytea NOT NULL,
    note text NOT NULL,
    signed_at bigint NOT NULL,
    shown boolean NOT NULL DEFAULT false
);

-- The contract with the query service (contracts/read.sql): views only, readable by the role passerelle_read.
CREATE SCHEMA IF NOT EXISTS read;

CREATE VIEW read.head AS SELECT network, size, accepted_at, floor, frontier FROM ledger.head;
CREATE VIEW read.entry AS
    SELECT index, accepted_at, member, family, sequence, visibility, code, type, subject, entry FROM ledger.entry;
CREATE VIEW read.public_event AS
    SELECT e.index, e.accepted_at, e.member, e.type, e.subject, b.body
    FROM ledger.entry e JOIN ledger.public_body b USING (index)
    WHERE e.code IS NULL AND b.body IS NOT NULL;
CREATE VIEW read.public_body AS SELECT index, sha256, body FROM ledger.public_body;
CREATE VIEW read.party_event AS
    SELECT e.index, e.accepted_at, e.member, e.type, b.subject, b.parties, b.body
    FROM ledger.entry e JOIN ledger.party_body b USING (index)
    WHERE e.code IS NULL;
CREATE VIEW read.thing AS SELECT key, kind, id, state, version, owner, created, changed, data FROM ledger.thing;
CREATE VIEW read.dependency AS SELECT on_key, dependent, member FROM ledger.dependency;
CREATE VIEW read.member AS SELECT member, changed, record FROM ledger.member;
CREATE VIEW read.volume AS SELECT hour, family, accepted, refused FROM ledger.volume;

DO $$ BEGIN
    -- Roles belong to the whole server: another ledger's migration may make this one at the same moment.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'passerelle_read') THEN
        CREATE ROLE passerelle_read NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
GRANT USAGE ON SCHEMA read TO passerelle_read;
GRANT SELECT ON ALL TABLES IN SCHEMA read TO passerelle_read;
