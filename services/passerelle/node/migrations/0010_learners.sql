-- Learners whose key was destroyed: when, by whom, on which ground. What is left of them names nobody.
CREATE TABLE node.erasure (
    learner uuid PRIMARY KEY REFERENCES node.learner,
    at bigint NOT NULL,
    -- the operating system's user
    account text NOT NULL,
    -- learner-request, retention-ended or legal-order
    ground text NOT NULL
);
