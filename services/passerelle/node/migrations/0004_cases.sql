-- What an office needs around its transfer cases. None of it is on the network.

-- What the event made of the thing that a notice is about: {"before", "after", "reason", "effective_on",
-- "grandfathered"}; null in notices from before.
ALTER TABLE node.notice ADD COLUMN change jsonb;

-- Whether a person at the office knows whose the case is. `candidate` is the person of the file, kept under a key of
-- their own until somebody has compared; it cannot be found by name or birth date.
ALTER TABLE node.transfer_case ADD COLUMN matched text NOT NULL DEFAULT 'confirmed'
    CHECK (matched IN ('confirmed', 'pending', 'unmatched'));
ALTER TABLE node.transfer_case ADD COLUMN match_reason text;
ALTER TABLE node.transfer_case ADD COLUMN matched_at bigint;
ALTER TABLE node.transfer_case ADD COLUMN candidate uuid REFERENCES node.learner;

-- The decision that is being prepared for a case: one a case, for one version of it.
CREATE TABLE node.proposal (
    case_id uuid PRIMARY KEY,
    version integer NOT NULL,
    -- entries of the log that the rules were read from
    position bigint NOT NULL,
    -- [{"line", "proposed", "answer", "final", "reason", ...}]
    lines jsonb NOT NULL,
    made_at bigint NOT NULL
);

-- Documents of cases, as they were sealed for a receiver or taken in and opened. `content` is encrypted under the
-- learner's key; null for what was sealed here and left.
CREATE TABLE node.case_document (
    case_id uuid NOT NULL,
    sha256 text NOT NULL,
    role text NOT NULL,
    media_type text NOT NULL,
    size bigint NOT NULL,
    -- whose key `content` is under
    learner uuid REFERENCES node.learner,
    content bytea,
    at bigint NOT NULL,
    PRIMARY KEY (case_id, sha256)
);

-- Deadlines that the office was reminded of: each once.
CREATE TABLE node.reminder (
    case_id uuid NOT NULL,
    kind text NOT NULL,
    due_on text NOT NULL,
    told_at bigint NOT NULL,
    PRIMARY KEY (case_id, kind, due_on)
);

-- Decisions are searched for precedents, and for what rests on a rule.
CREATE INDEX outbox_decided ON node.outbox (sequence) WHERE type = 'ca.passerelle.transfer.decided.v1';

-- Preliminary assessments that were given out: what this member promised, until when, by which versions. Nobody's.
CREATE TABLE node.preliminary (
    id uuid PRIMARY KEY,
    made_at bigint NOT NULL,
    expires_on text NOT NULL,
    -- the whole file
    envelope bytea NOT NULL
);
CREATE INDEX preliminary_expires ON node.preliminary (expires_on);
