-- Simulated runs: one row per scenario, policy and seed.
CREATE TABLE sim_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),    -- SHA-256 of everything that decides the result
    scenario TEXT NOT NULL CHECK (scenario <> ''),              -- its name
    scenario_document TEXT NOT NULL,                            -- the scenario file, as read
    policy TEXT NOT NULL CHECK (policy <> ''),                  -- with its parameters, as in "static:3"
    family TEXT NOT NULL,                                       -- its name
    family_id INTEGER REFERENCES families (id) ON DELETE SET NULL, -- NULL for a family that is not in the study
    seed TEXT NOT NULL,                                         -- decimal text: all 64 bits are used
    metrics TEXT NOT NULL CHECK (json_type(metrics) = 'object'),
    created_ns INTEGER
) STRICT;
CREATE INDEX sim_runs_by_scenario ON sim_runs (scenario, policy);
