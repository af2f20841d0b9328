-- What the import of files remembers of itself.

-- One import: counts, and until when its drafts can be cancelled (Unix ms; null: they were released at once).
CREATE TABLE node.import_run (
    id uuid PRIMARY KEY,
    at bigint NOT NULL,
    kind text NOT NULL,
    held_until bigint,
    rows bigint NOT NULL DEFAULT 0,
    new bigint NOT NULL DEFAULT 0,
    changed bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    events bigint NOT NULL DEFAULT 0,
    -- false: it was ended in the middle, or is still going on
    finished boolean NOT NULL DEFAULT false,
    cancelled_at bigint
);
CREATE INDEX import_run_at ON node.import_run (at);

-- Rows that an import refused: where and why, never what a cell held.
CREATE TABLE node.import_error (
    run uuid NOT NULL REFERENCES node.import_run ON DELETE CASCADE,
    number integer NOT NULL,
    row bigint NOT NULL,
    column_name text NOT NULL,
    code text NOT NULL,
    what text NOT NULL,
    fix text NOT NULL,
    PRIMARY KEY (run, number)
);

ALTER TABLE node.draft ADD COLUMN run uuid;
ALTER TABLE node.draft ADD COLUMN held_until bigint;
CREATE INDEX draft_run ON node.draft (run) WHERE run IS NOT NULL;

-- Keyed hash of learner, achievement and date: an award that comes again under another id is known by it.
ALTER TABLE node.record ADD COLUMN likeness text;
CREATE INDEX record_likeness ON node.record (likeness) WHERE likeness IS NOT NULL;
