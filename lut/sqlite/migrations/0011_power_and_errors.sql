-- What the device draws while it runs a table's networks, and how far a search's accuracies are to be trusted.
ALTER TABLE latency_tables ADD COLUMN power_w REAL NOT NULL DEFAULT 0 CHECK (power_w >= 0);       -- 0: unknown
ALTER TABLE search_runs ADD COLUMN accuracy_errors TEXT NOT NULL DEFAULT '[]' CHECK (json_type(accuracy_errors) = 'array'); -- by resolution
