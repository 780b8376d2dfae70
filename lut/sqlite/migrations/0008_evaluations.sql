-- Measured accuracies: sub-networks that were run on labelled pictures. inputs says everything that
-- decides the result (JSON); the columns repeat part of it for queries. ranks holds one byte for each
-- picture, the place of its class among the answers (0 the first, 254 also for later ones, 255: the
-- picture could not be decoded), and a CRC-32.
CREATE TABLE evaluations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),    -- SHA-256 of inputs
    inputs TEXT NOT NULL CHECK (json_type(inputs) = 'object'),
    space TEXT NOT NULL CHECK (space <> ''),
    arch TEXT NOT NULL,
    arch_id TEXT NOT NULL,
    images INTEGER NOT NULL CHECK (images > 0),
    skipped INTEGER NOT NULL CHECK (skipped >= 0),
    top1 INTEGER NOT NULL CHECK (top1 BETWEEN 0 AND images),
    top5 INTEGER NOT NULL CHECK (top5 BETWEEN top1 AND images),
    ranks BLOB NOT NULL,
    created_ns INTEGER
) STRICT;
CREATE INDEX evaluations_by_space ON evaluations (space, arch_id);

-- The ranks of evaluations that are under way, from which an interrupted one goes on.
CREATE TABLE evaluation_journal (
    digest TEXT NOT NULL CHECK (length(digest) = 64),           -- as in evaluations
    first INTEGER NOT NULL CHECK (first >= 0),                  -- pictures before these
    ranks BLOB NOT NULL,
    PRIMARY KEY (digest, first)
) STRICT, WITHOUT ROWID;

-- Re-estimated statistics of the batch normalisations of sub-networks, so that none is estimated twice.
CREATE TABLE bn_statistics (
    digest TEXT PRIMARY KEY CHECK (length(digest) = 64),        -- SHA-256 of everything that decides them
    inputs TEXT NOT NULL CHECK (json_type(inputs) = 'object'),
    statistics BLOB NOT NULL,                                   -- a safetensors file
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),           -- of it
    created_ns INTEGER
) STRICT, WITHOUT ROWID;

CREATE VIEW evaluations_percent AS
SELECT id, space, arch, 100.0 * top1 / images AS top1_percent, 100.0 * top5 / images AS top5_percent, images, skipped,
       json_extract(inputs, '$.weights') AS weights, json_extract(inputs, '$.data') AS data, json_extract(inputs, '$.recalibration') AS recalibration
FROM evaluations;
