-- What a node that was restored from a backup needs to find its way back.

-- Rows that came back from the ledger: when, in Unix ms. `lost` is the code that says why the body is not held: it was
-- erased, withdrawn, or is past retention. `body` is empty then, `type`, `subject` and `thing` may be.
ALTER TABLE node.outbox ADD COLUMN restored_at bigint;
ALTER TABLE node.outbox ADD COLUMN lost text;
CREATE INDEX outbox_restored ON node.outbox (family, sequence) WHERE restored_at IS NOT NULL;

-- Own events that came back and name no office record: the next import finds theirs by content.
CREATE TABLE node.unclaimed (
    family text NOT NULL,
    sequence bigint NOT NULL,
    -- the thing under which an import looks: the credential or achievement that the event is about
    about text NOT NULL,
    -- keyed hash of what was published
    content text NOT NULL,
    -- what the event made or changed
    thing text NOT NULL,
    -- of the record: {"content", "fixed", "version", "status"}
    mark jsonb NOT NULL,
    PRIMARY KEY (family, sequence)
);
CREATE INDEX unclaimed_about ON node.unclaimed (about, family, sequence);

-- Events that were numbered here, or drafted, and cannot be sent any more: another stands in their place.
CREATE TABLE node.set_aside (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    family text NOT NULL,
    -- the number that it had, null for a draft
    sequence bigint,
    type text NOT NULL,
    subject text NOT NULL,
    thing text NOT NULL,
    -- null for a draft
    statement bytea,
    body bytea NOT NULL,
    -- whether it is a draft again, so that it is sent under another number
    drafted boolean NOT NULL,
    at bigint NOT NULL
);
CREATE INDEX set_aside_place ON node.set_aside (family, sequence);
