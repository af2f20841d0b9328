-- What an office keeps of an agreement and does not publish. `id` is the rule's: <member>/<local>.
CREATE TABLE node.agreement_note (
    id text PRIMARY KEY,
    note text NOT NULL
);
