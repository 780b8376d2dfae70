-- Searches and the fronts that they found. accuracy is a fraction; seeds are decimal text, because
-- they use all 64 bits.
CREATE TABLE search_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),    -- SHA-256 of everything that decides the result
    state TEXT NOT NULL CHECK (state IN ('running', 'interrupted', 'finished')),
    table_id INTEGER REFERENCES latency_tables (id),            -- where the latencies come from
    space TEXT NOT NULL CHECK (space <> ''),
    resolutions TEXT NOT NULL CHECK (json_type(resolutions) = 'array'),
    method TEXT NOT NULL CHECK (method <> ''),
    population INTEGER NOT NULL,
    budget INTEGER NOT NULL,                                    -- evaluations allowed
    seed TEXT NOT NULL,
    reference_accuracy REAL NOT NULL,
    reference_latency_ns REAL NOT NULL,
    accuracy_name TEXT NOT NULL,
    accuracy_origin TEXT NOT NULL,                              -- measured, predicted, stand-in
    accuracy_source TEXT NOT NULL,
    accuracy_sha256 TEXT NOT NULL,
    accuracy_note TEXT NOT NULL,
    settings TEXT NOT NULL CHECK (json_type(settings) = 'object'), -- everything that was digested
    evaluations INTEGER NOT NULL,                               -- spent
    generations INTEGER NOT NULL,
    stop TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_ns INTEGER
) STRICT;

CREATE TABLE search_candidates (
    run_id INTEGER NOT NULL REFERENCES search_runs (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    arch TEXT NOT NULL,
    arch_id TEXT NOT NULL,                                      -- first 16 digits of the SHA-256 of arch
    accuracy REAL NOT NULL CHECK (accuracy BETWEEN 0 AND 1),
    latency_ns REAL NOT NULL CHECK (latency_ns > 0),
    macs INTEGER NOT NULL,
    objectives TEXT NOT NULL DEFAULT '{}' CHECK (json_type(objectives) = 'object'), -- further ones, by name
    flags TEXT NOT NULL DEFAULT '[]' CHECK (json_type(flags) = 'array'),
    PRIMARY KEY (run_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE search_history (
    run_id INTEGER NOT NULL REFERENCES search_runs (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    evaluations INTEGER NOT NULL,
    hypervolume REAL NOT NULL,                                  -- milliseconds times accuracy
    front INTEGER NOT NULL,                                     -- networks on the front
    PRIMARY KEY (run_id, position)
) STRICT, WITHOUT ROWID;

CREATE VIEW search_runs_overview AS
SELECT r.id, r.state, r.space, t.device, t.processor, t.origin AS latency_origin, r.accuracy_name, r.accuracy_origin,
       r.method, r.seed, r.evaluations, r.stop,
       (SELECT count(*) FROM search_candidates c WHERE c.run_id = r.id) AS candidates,
       (SELECT h.hypervolume FROM search_history h WHERE h.run_id = r.id ORDER BY h.position DESC LIMIT 1) AS hypervolume,
       strftime('%Y-%m-%dT%H:%M:%SZ', r.created_ns / 1000000000, 'unixepoch') AS created
FROM search_runs r LEFT JOIN latency_tables t ON t.id = r.table_id;

CREATE VIEW search_front AS
SELECT c.run_id, c.position, c.latency_ns / 1e6 AS latency_ms, 100 * c.accuracy AS accuracy_percent,
       r.accuracy_origin, c.macs / 1e6 AS million_macs, c.flags, c.arch
FROM search_candidates c JOIN search_runs r ON r.id = c.run_id;
