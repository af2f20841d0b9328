-- Files that came by a watched folder or were pushed over HTTP: what became of each. Reports hold no cell's value.
CREATE TABLE node.job (
    id uuid PRIMARY KEY,
    -- folder or push
    source text NOT NULL,
    -- of a folder: the file's name; of a push: empty
    name text NOT NULL DEFAULT '',
    -- {"kind", "format", "mapping"}: what the import was told
    asked jsonb NOT NULL DEFAULT '{}',
    -- done: imported, whole or in part; failed: nothing of it was taken
    state text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    made_at bigint NOT NULL,
    ended_at bigint,
    -- counts and the first row errors
    report jsonb,
    -- {"code", "what", "where", "fix"} of what failed
    error jsonb
);
CREATE INDEX job_open ON node.job (made_at, id) WHERE state IN ('waiting', 'running');
CREATE INDEX job_ended ON node.job (ended_at);
