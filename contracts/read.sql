-- Schema `read` of the ledger's database: what the query service may read, by the role passerelle_read, and nothing else.
-- The ledger's migrations make these relations as views; here they stand as tables, by name, column and type. A test
-- compares the two. Columns may be added at the end; none is removed, renamed or given another type within v1.
--
-- Instants are Unix milliseconds; indices count log entries from 0; hashes are 32 bytes. A reader opens one REPEATABLE
-- READ transaction, reads the head, and then whole commits by index up to head.size. The channel `ledger_commit` is
-- notified in every commit, with the new size; a notification may be lost, so a reader also polls.

CREATE SCHEMA read;

-- The log's head: one row. No later entry is earlier than `floor`.
CREATE TABLE read.head (
    network text,
    size bigint,
    accepted_at bigint,
    floor bigint,
    -- Right-edge subtree hashes of the Merkle tree, largest subtree first.
    frontier bytea
);

-- Every entry, accepted (code is null) or refused. `entry` is the exact leaf of the log.
CREATE TABLE read.entry (
    index bigint,
    accepted_at bigint,
    member text,
    family text,
    sequence bigint,
    visibility text,
    code text,
    type text,
    subject text,
    entry bytea
);

-- Accepted public events whose body is held: the whole of what the index is made from.
CREATE TABLE read.public_event (
    index bigint,
    accepted_at bigint,
    member text,
    type text,
    subject text,
    body bytea
);

CREATE TABLE read.public_body (
    index bigint,
    sha256 bytea,
    body bytea
);

-- Accepted party events. Read for one call and its caller only, never kept: the caller stands in `parties`, or is the
-- operator. `body` is null once erased.
CREATE TABLE read.party_event (
    index bigint,
    accepted_at bigint,
    member text,
    type text,
    subject text,
    parties text[],
    body bytea
);

-- The present state of every thing: key is `<kind>:<id>`; data holds what later decisions need.
CREATE TABLE read.thing (
    key text,
    kind text,
    id text,
    state text,
    version bigint,
    owner text,
    created bigint,
    changed bigint,
    data jsonb
);

-- `dependent` rests on `on_key`; `member` is told when it changes.
CREATE TABLE read.dependency (
    on_key text,
    dependent text,
    member text
);

-- The trust registry: one row a member, as on the registry topic.
CREATE TABLE read.member (
    member text,
    changed bigint,
    record jsonb
);

-- Entries by hour (Unix ms of its start) and family.
CREATE TABLE read.volume (
    hour bigint,
    family text,
    accepted bigint,
    refused bigint
);
