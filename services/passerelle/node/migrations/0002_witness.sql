-- What this node promised as a witness: the largest tree that it cosigned, or was about to. One row, moved by
-- compare-and-swap, never back, and never to another root of its size.
CREATE TABLE node.cosigned (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    size bigint NOT NULL CHECK (size > 0),
    root bytea NOT NULL,
    -- the checkpoint with the log's signature
    note text NOT NULL,
    -- whether the log has taken the cosignature
    delivered boolean NOT NULL DEFAULT false
);

-- The log contradicted itself. `evidence` is the whole file (contracts/formats.md). Open until a person clears it.
CREATE TABLE node.alarm (
    -- first 16 hex digits of the evidence's SHA-256
    name text PRIMARY KEY,
    code text NOT NULL,
    size bigint NOT NULL,
    evidence bytea NOT NULL,
    raised_at bigint NOT NULL,
    cleared_at bigint,
    reason text
);
