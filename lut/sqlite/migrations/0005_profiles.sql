-- How far measured numbers are to be trusted, and the raw samples of profiling that is under way.
ALTER TABLE latency_tables ADD COLUMN grade TEXT NOT NULL DEFAULT '' CHECK (grade IN ('', 'A', 'B', 'C', 'D')); -- '': not graded
ALTER TABLE latency_entries ADD COLUMN preempted INTEGER NOT NULL DEFAULT 0 CHECK (preempted >= 0); -- samples during which the thread lost its processor
ALTER TABLE latency_entries ADD COLUMN grade TEXT NOT NULL DEFAULT '' CHECK (grade IN ('', 'A', 'B', 'C', 'D'));
ALTER TABLE latency_networks ADD COLUMN preempted INTEGER NOT NULL DEFAULT 0 CHECK (preempted >= 0);
ALTER TABLE latency_networks ADD COLUMN grade TEXT NOT NULL DEFAULT '' CHECK (grade IN ('', 'A', 'B', 'C', 'D'));

-- The journal of the profiler: a round is here once all its samples are; the rounds of a profile go
-- when its table is complete.
CREATE TABLE profile_rounds (
    digest TEXT NOT NULL CHECK (length(digest) = 64),           -- SHA-256 of everything that decides what is measured
    position INTEGER NOT NULL CHECK (position >= 0),
    samples BLOB NOT NULL,                                      -- lut/profile's encoding
    PRIMARY KEY (digest, position)
) STRICT, WITHOUT ROWID;
