-- One evening of convocations is ten thousand party events: the latest public ones must still be found at once.
CREATE INDEX feed_public ON feed (index) WHERE type IS NOT NULL;
