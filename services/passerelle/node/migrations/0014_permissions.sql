-- Letters of permission that learners of this office asked for: what was asked, and what the rules say of it. What was
-- granted, refused, amended or withdrawn stands in the events.
CREATE TABLE node.permission (
    id uuid PRIMARY KEY,
    learner uuid NOT NULL REFERENCES node.learner,
    host text NOT NULL,
    -- {"programme", "term": {"starts_on", "ends_on", "name"}}
    asked jsonb NOT NULL,
    -- entries of the log that the rules were read from
    position bigint NOT NULL,
    -- [{"line", "achievement", "match", "rule", "outcome", "reasons", "smallest_fix"}]
    lines jsonb NOT NULL,
    made_at bigint NOT NULL
);
CREATE INDEX permission_learner ON node.permission (learner);

-- Permissions are listed by these; a node that was restored knows its own by its events alone.
CREATE INDEX outbox_permission ON node.outbox (subject)
    WHERE type IN ('ca.passerelle.transfer.permission-granted.v1', 'ca.passerelle.transfer.permission-refused.v1');
CREATE INDEX party_body_permission ON node.party_body (subject)
    WHERE type = 'ca.passerelle.transfer.permission-granted.v1';
