-- Witnesses' cosignatures (C2SP tlog-cosignature) of shown checkpoints, one a key and checkpoint. Only those of the
-- newest cosigned checkpoints are kept: a receipt holds the cosignatures that it was given.
CREATE TABLE ledger.cosignature (
    size bigint NOT NULL REFERENCES ledger.checkpoint,
    -- the registry's id of the witness key
    key_id text NOT NULL,
    member text NOT NULL,
    -- order of arrival: so they stand in the served note
    number bigint GENERATED ALWAYS AS IDENTITY,
    -- Unix seconds, as the witness says
    signed_at bigint NOT NULL,
    -- the note's signature line, with its end
    line text NOT NULL,
    PRIMARY KEY (size, key_id)
);
