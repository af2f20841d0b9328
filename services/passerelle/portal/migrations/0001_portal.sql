-- The portal's own database. Everything here is derived from the public feed, so it can be dropped and filled again.
-- Instants are Unix milliseconds; indices count log entries from 0; hashes are 32 bytes.

CREATE EXTENSION IF NOT EXISTS unaccent;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Both languages without accents on either side: `métallurgie` is found by `metallurgie`, and the other way round.
CREATE TEXT SEARCH CONFIGURATION portal_en (COPY = english);
ALTER TEXT SEARCH CONFIGURATION portal_en
    ALTER MAPPING FOR hword, hword_part, word WITH unaccent, english_stem;
CREATE TEXT SEARCH CONFIGURATION portal_fr (COPY = french);
ALTER TEXT SEARCH CONFIGURATION portal_fr
    ALTER MAPPING FOR hword, hword_part, word WITH unaccent, french_stem;

-- Where the portal stands. Moved by compare-and-swap in the transaction that stores what was read.
CREATE TABLE progress (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- Index of the next entry, and so the number of entries held.
    next_index bigint NOT NULL DEFAULT 0,
    -- Offset on the feed topic to go on from. Offsets and indices differ where the ledger published an entry twice.
    next_offset bigint NOT NULL DEFAULT 0,
    -- Right-edge subtree hashes of the Merkle tree over the entries held, largest first.
    frontier bytea NOT NULL DEFAULT ''
);
INSERT INTO progress DEFAULT VALUES;

-- One row a log entry.
CREATE TABLE feed (
    index bigint PRIMARY KEY,
    accepted_at bigint NOT NULL,
    member text NOT NULL,
    family text NOT NULL,
    sequence bigint NOT NULL,
    visibility text NOT NULL,
    -- null where accepted
    code text,
    -- null where the body is not public: the type of a party event is not told
    type text,
    subject text,
    title text,
    -- the sixteen lines: the leaf of the log
    entry bytea NOT NULL,
    -- root of the log's tree right after this entry, as computed here
    root bytea NOT NULL,
    -- the event as it was published, where public and accepted
    body bytea
);
CREATE INDEX feed_member ON feed (member, index);

CREATE TABLE volume (
    -- start of the hour
    hour bigint NOT NULL,
    family text NOT NULL,
    accepted bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (hour, family)
);

CREATE TABLE member (
    id text PRIMARY KEY,
    kind text NOT NULL,
    names jsonb NOT NULL,
    jurisdictions text[] NOT NULL,
    roles text[] NOT NULL,
    -- active, suspended, removed
    status text NOT NULL,
    details jsonb NOT NULL,
    admitted_index bigint NOT NULL,
    changed_index bigint NOT NULL
);

CREATE TABLE member_key (
    key_id text PRIMARY KEY,
    member text NOT NULL,
    public_key bytea NOT NULL,
    use text NOT NULL,
    added_index bigint NOT NULL,
    removed_index bigint
);
CREATE INDEX member_key_member ON member_key (member);

-- Organisations that sign nothing: <member that answers for it>/<local id>.
CREATE TABLE organisation (
    id text PRIMARY KEY,
    names jsonb NOT NULL,
    kind text NOT NULL,
    jurisdictions text[] NOT NULL,
    index bigint NOT NULL
);

CREATE TABLE framework (
    id text PRIMARY KEY,
    title text NOT NULL,
    language text NOT NULL,
    translations jsonb NOT NULL,
    kind text NOT NULL,
    recognised boolean NOT NULL,
    index bigint NOT NULL
);

-- The latest version of each achievement, with what the search filters by beside the data as published.
CREATE TABLE achievement (
    id text PRIMARY KEY,
    member text NOT NULL,
    version bigint NOT NULL,
    kind text NOT NULL,
    code text,
    title text NOT NULL,
    language text NOT NULL,
    credit_bearing boolean NOT NULL,
    modes text[] NOT NULL,
    intake text,
    -- null: not stated. Exact values stay in `data`; these are for comparing only.
    hours numeric,
    cost numeric,
    frameworks text[] NOT NULL,
    competencies text[] NOT NULL,
    retired boolean NOT NULL DEFAULT false,
    first_index bigint NOT NULL,
    -- of the version held
    index bigint NOT NULL,
    data jsonb NOT NULL,
    -- folded text for misspelt words
    words text NOT NULL,
    search_en tsvector NOT NULL,
    search_fr tsvector NOT NULL
);
CREATE INDEX achievement_en ON achievement USING gin (search_en);
CREATE INDEX achievement_fr ON achievement USING gin (search_fr);
CREATE INDEX achievement_words ON achievement USING gin (words gin_trgm_ops);
CREATE INDEX achievement_member ON achievement (member);
CREATE INDEX achievement_index ON achievement (first_index DESC);

-- What others publish about an achievement: endorsements, demand, outcomes, retirement.
CREATE TABLE remark (
    index bigint PRIMARY KEY,
    achievement text NOT NULL,
    member text NOT NULL,
    event text NOT NULL,
    data jsonb NOT NULL
);
CREATE INDEX remark_achievement ON remark (achievement, index);

-- Checkpoints of the log that were compared with the tree computed here.
CREATE TABLE checkpoint (
    size bigint PRIMARY KEY,
    root bytea NOT NULL,
    note bytea NOT NULL,
    checked_at bigint NOT NULL,
    agrees boolean NOT NULL
);
