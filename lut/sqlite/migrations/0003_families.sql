-- Families of sub-networks. document is the family itself (JSON); the columns repeat it for queries.
CREATE TABLE families (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL CHECK (name <> ''),
    space TEXT NOT NULL CHECK (space <> ''),
    source TEXT NOT NULL,
    rule TEXT NOT NULL,
    run_id INTEGER REFERENCES search_runs (id) ON DELETE SET NULL, -- the search whose front it was chosen from
    document TEXT NOT NULL CHECK (json_type(document) = 'object'),
    created_ns INTEGER
) STRICT;
CREATE INDEX families_by_name ON families (name);

CREATE TABLE family_levels (
    family_id INTEGER NOT NULL REFERENCES families (id) ON DELETE CASCADE,
    level INTEGER NOT NULL,                                     -- 0 is the least accurate
    arch TEXT NOT NULL,
    arch_id TEXT NOT NULL,
    accuracy REAL NOT NULL CHECK (accuracy BETWEEN 0 AND 1),
    accuracy_origin TEXT NOT NULL,
    macs INTEGER NOT NULL,
    params INTEGER NOT NULL,
    PRIMARY KEY (family_id, level)
) STRICT, WITHOUT ROWID;

CREATE TABLE family_latencies (
    family_id INTEGER NOT NULL,
    level INTEGER NOT NULL,
    processor TEXT NOT NULL CHECK (processor <> ''),
    latency_ns REAL NOT NULL CHECK (latency_ns > 0),
    origin TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (family_id, level, processor),
    FOREIGN KEY (family_id, level) REFERENCES family_levels (family_id, level) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE VIEW family_levels_ms AS
SELECT f.id AS family_id, f.name, l.level, 100 * l.accuracy AS accuracy_percent, l.accuracy_origin,
       p.processor, p.latency_ns / 1e6 AS latency_ms, p.origin AS latency_origin, l.macs / 1e6 AS million_macs, l.arch
FROM families f JOIN family_levels l ON l.family_id = f.id
LEFT JOIN family_latencies p ON p.family_id = l.family_id AND p.level = l.level;
