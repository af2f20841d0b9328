-- Who took learners' details out of this node, when and in what form: an entry an export, a line a learner.
CREATE TABLE node.access (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at bigint NOT NULL,
    -- the operating system's user
    account text NOT NULL,
    format text NOT NULL,
    -- of what was written
    sha256 text NOT NULL
);

CREATE TABLE node.access_learner (
    access bigint NOT NULL REFERENCES node.access,
    learner uuid NOT NULL REFERENCES node.learner,
    PRIMARY KEY (access, learner)
);
CREATE INDEX access_learner_of ON node.access_learner (learner);
