-- Subjects of credentials are time-ordered ids: a tree touches a few pages at its end, where a hash index touches a page
-- for each row, which after each checkpoint of the database is written to the log whole.
DROP INDEX ledger.party_body_subject;
CREATE INDEX party_body_subject ON ledger.party_body (subject);
DROP INDEX ledger.refused_body_subject;
CREATE INDEX refused_body_subject ON ledger.refused_body (subject);
