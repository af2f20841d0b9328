-- The statistics that insight publishes: one record for each measure and window, and how far their topic was read.
CREATE TABLE statistic (
    measure text NOT NULL,
    span text NOT NULL,
    start date NOT NULL,
    -- size of the log up to which was counted: an older record never replaces a newer one
    position bigint NOT NULL,
    record jsonb NOT NULL,
    PRIMARY KEY (measure, span, start)
);
CREATE TABLE statistic_progress (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    next_offset bigint NOT NULL
);
INSERT INTO statistic_progress (next_offset) VALUES (0);
