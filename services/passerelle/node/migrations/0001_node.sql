-- One institution's node. Keyed hashes are hex text, instants Unix milliseconds, log indices count from 0.
-- What is about a learner is ciphertext; events' bodies hold no learner's details.

CREATE SCHEMA IF NOT EXISTS node;

-- Where each of the member's streams stands. The row is locked while events are numbered.
CREATE TABLE node.stream (
    family text PRIMARY KEY,
    sequence bigint NOT NULL DEFAULT 0,
    digest bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    accepted bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    -- The relay's: highest number handed to Kafka, when, and how often the oldest unanswered one was sent again.
    sent bigint NOT NULL DEFAULT 0,
    sent_at bigint,
    attempts integer NOT NULL DEFAULT 0,
    last_answer_at bigint
);
INSERT INTO node.stream (family)
VALUES ('credential'), ('recognition'), ('transfer'), ('reference'), ('member');

-- Office records by the keyed hash of their kind and id. `current` is what was last sent, `accepted` what the ledger
-- last accepted: {"content", "fixed", "version", "status"}; both null where it was refused.
CREATE TABLE node.record (
    key text PRIMARY KEY,
    kind text NOT NULL,
    thing text NOT NULL,
    current jsonb,
    accepted jsonb,
    learner uuid,
    person text
);
CREATE INDEX record_thing ON node.record (thing);
CREATE INDEX record_learner ON node.record (learner) WHERE learner IS NOT NULL;

-- Events without a number: new, or held until the things in `needs` were seen.
CREATE TABLE node.draft (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    family text NOT NULL REFERENCES node.stream,
    type text NOT NULL,
    subject text NOT NULL,
    thing text NOT NULL,
    visibility text NOT NULL,
    body bytea NOT NULL,
    needs text[] NOT NULL,
    -- [{"record", "mark"}]: what becomes of office records with the answer
    marks jsonb NOT NULL DEFAULT '[]',
    created_at bigint NOT NULL
);
CREATE INDEX draft_thing ON node.draft (thing, id);

-- Numbered, linked and signed events. A row is open until the ledger's answer is here.
CREATE TABLE node.outbox (
    family text NOT NULL REFERENCES node.stream,
    sequence bigint NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    thing text NOT NULL,
    statement bytea NOT NULL,
    body bytea NOT NULL,
    batch_size smallint NOT NULL,
    batch_index smallint NOT NULL,
    -- 32-byte hashes, joined
    batch_path bytea NOT NULL,
    batch_signature bytea NOT NULL,
    key_id text NOT NULL,
    -- the draft's marks, as JSON
    marks text NOT NULL DEFAULT '[]',
    released_at bigint NOT NULL,
    answered_at bigint,
    index bigint,
    outcome text CHECK (outcome IN ('accepted', 'refused')),
    code text,
    field text,
    what text,
    fix text,
    PRIMARY KEY (family, sequence)
);
CREATE INDEX outbox_open ON node.outbox (family, sequence) WHERE outcome IS NULL;
CREATE INDEX outbox_refused ON node.outbox (family, sequence) WHERE outcome = 'refused';
CREATE INDEX outbox_thing ON node.outbox (thing, family, sequence);

-- How far each incoming topic was taken in: `number` is the last inbox number, or the next log index of the feed.
CREATE TABLE node.position (
    name text PRIMARY KEY,
    number bigint NOT NULL,
    next_offset bigint
);

-- Things known to be in the ledger: seen on the feed, in the inbox, in receipts, or proved by a receipt file.
CREATE TABLE node.seen (
    key text PRIMARY KEY,
    version bigint
);

-- The registry topic: each member's present record.
CREATE TABLE node.member (
    member text PRIMARY KEY,
    record jsonb NOT NULL
);

-- Bodies about a learner that came in, from the inbox or from a release file.
CREATE TABLE node.party_body (
    index bigint PRIMARY KEY,
    type text NOT NULL,
    member text NOT NULL,
    subject text NOT NULL,
    thing text NOT NULL,
    body bytea NOT NULL
);
CREATE INDEX party_body_thing ON node.party_body (thing, index);

CREATE TABLE node.notice (
    number bigint PRIMARY KEY,
    about text NOT NULL,
    event text NOT NULL,
    index bigint NOT NULL,
    member text NOT NULL,
    affects text[] NOT NULL,
    received_at bigint NOT NULL
);

-- What stops or hinders the node. `open` ones are shown first; a sequence conflict stops the relay.
CREATE TABLE node.problem (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL,
    family text,
    sequence bigint,
    what text NOT NULL,
    fix text NOT NULL,
    head jsonb,
    at bigint NOT NULL,
    open boolean NOT NULL DEFAULT true
);

CREATE TABLE node.checkpoint (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    size bigint NOT NULL,
    root bytea NOT NULL,
    note text NOT NULL
);

-- Learners: keyed hashes to find them again, everything else encrypted under a key of their own, wrapped.
CREATE TABLE node.learner (
    id uuid PRIMARY KEY,
    number_key text UNIQUE,
    match_key text NOT NULL,
    birth_key text NOT NULL,
    -- null once erased
    wrapped_key bytea,
    details bytea
);
CREATE INDEX learner_match ON node.learner (match_key);
CREATE INDEX learner_birth ON node.learner (birth_key);

-- Course results, encrypted under the learner's key: they never become events.
CREATE TABLE node.result (
    record text PRIMARY KEY,
    learner uuid NOT NULL REFERENCES node.learner,
    details bytea NOT NULL
);
CREATE INDEX result_learner ON node.result (learner);

-- Releases that this node granted (`outgoing`) or took from a learner's file.
CREATE TABLE node.release (
    id uuid PRIMARY KEY,
    outgoing boolean NOT NULL,
    member text NOT NULL,
    learner uuid REFERENCES node.learner,
    credentials uuid[] NOT NULL,
    purpose text NOT NULL,
    ends_on text NOT NULL,
    -- the file's course results, encrypted under the learner's key
    details bytea,
    created_at bigint NOT NULL
);

-- Whose a case is: known here only.
CREATE TABLE node.transfer_case (
    id uuid PRIMARY KEY,
    release uuid NOT NULL,
    sender text NOT NULL,
    learner uuid REFERENCES node.learner,
    created_at bigint NOT NULL
);
