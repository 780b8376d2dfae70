-- Simulated runs are one row per scenario, policy, seed and replication; metrics has an outcome for each application.
ALTER TABLE sim_runs ADD COLUMN replication INTEGER NOT NULL DEFAULT 0 CHECK (replication >= 0);

-- Policies that were picked for a family by simulation; the newest row of a name counts.
CREATE TABLE tuned_policies (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL CHECK (name <> ''),
    family TEXT NOT NULL CHECK (family <> ''),                  -- its name
    family_digest TEXT NOT NULL CHECK (length(family_digest) = 64), -- SHA-256 of its document: another family needs another tuning
    board TEXT NOT NULL,                                        -- empty: none
    policy TEXT NOT NULL CHECK (policy <> ''),                  -- spec, as in "static:3"
    params TEXT NOT NULL CHECK (json_type(params) = 'object'),  -- solved tables included, as the policy reads them
    document TEXT NOT NULL CHECK (json_type(document) = 'object'), -- scenarios, goal, replications, ranking of the candidates
    created_ns INTEGER
) STRICT;
CREATE INDEX tuned_policies_by_name ON tuned_policies (name, id);
