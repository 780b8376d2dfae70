-- The journal of searches that are under way: accuracies in the order of evaluation, from which an
-- interrupted search goes on. The rows of a search go when its result is stored as finished.
CREATE TABLE search_journal (
    digest TEXT NOT NULL CHECK (length(digest) = 64),           -- SHA-256 of everything that decides the result, as in search_runs
    first INTEGER NOT NULL CHECK (first >= 0),                  -- evaluations before these
    accuracies BLOB NOT NULL,                                   -- search/store's encoding
    PRIMARY KEY (digest, first)
) STRICT, WITHOUT ROWID;
