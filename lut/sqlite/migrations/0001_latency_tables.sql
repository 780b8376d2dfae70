-- Latency tables: what every block of a supernet costs on one device at one operating point.
-- Times are nanoseconds, clocks hertz; NULL is unknown. Points in time are nanoseconds since 1970 (UTC).
CREATE TABLE latency_tables (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    space TEXT NOT NULL CHECK (space <> ''),
    device TEXT NOT NULL CHECK (device <> ''),
    processor TEXT NOT NULL CHECK (processor <> ''),
    cpu_clock_hz REAL NOT NULL CHECK (cpu_clock_hz >= 0),       -- 0 and '' from here on: unknown
    gpu_clock_hz REAL NOT NULL CHECK (gpu_clock_hz >= 0),
    memory_clock_hz REAL NOT NULL CHECK (memory_clock_hz >= 0),
    power_mode TEXT NOT NULL,
    threads INTEGER NOT NULL CHECK (threads >= 0),
    runtime TEXT NOT NULL,
    runtime_version TEXT NOT NULL,
    provider TEXT NOT NULL,
    precision TEXT NOT NULL,
    batch INTEGER NOT NULL CHECK (batch >= 0),
    co_runner TEXT NOT NULL,
    period_ns INTEGER NOT NULL CHECK (period_ns >= 0),
    origin TEXT NOT NULL CHECK (origin IN ('measured', 'imported', 'modelled')),
    source TEXT NOT NULL CHECK (source <> ''),
    created_ns INTEGER,
    calibration_offset_ns REAL NOT NULL,
    calibration_scale REAL NOT NULL CHECK (calibration_scale >= 0), -- 0 stands for 1
    entry_count INTEGER NOT NULL CHECK (entry_count > 0)        -- rows in latency_entries
) STRICT;
CREATE INDEX latency_tables_by_point ON latency_tables (device, processor, space);

CREATE TABLE latency_facts (
    table_id INTEGER NOT NULL REFERENCES latency_tables (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name TEXT NOT NULL CHECK (name <> ''),
    value TEXT NOT NULL,
    PRIMARY KEY (table_id, position),
    UNIQUE (table_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE latency_warnings (
    table_id INTEGER NOT NULL REFERENCES latency_tables (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    warning TEXT NOT NULL,
    PRIMARY KEY (table_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE latency_entries (
    table_id INTEGER NOT NULL REFERENCES latency_tables (id) ON DELETE CASCADE,
    resolution INTEGER NOT NULL CHECK (resolution >= 0),        -- 0: serves every resolution
    block TEXT NOT NULL CHECK (block <> ''),
    n INTEGER NOT NULL CHECK (n >= 0),                          -- samples; 0: unknown
    min_ns REAL CHECK (min_ns >= 0),
    p50_ns REAL CHECK (p50_ns >= 0),
    p90_ns REAL CHECK (p90_ns >= 0),
    p99_ns REAL CHECK (p99_ns >= 0),
    mean_ns REAL CHECK (mean_ns >= 0),
    std_ns REAL CHECK (std_ns >= 0),
    ci_low_ns REAL CHECK (ci_low_ns >= 0),                      -- 95% interval of the median
    ci_high_ns REAL CHECK (ci_high_ns >= 0),
    warnings TEXT NOT NULL DEFAULT '[]' CHECK (json_type(warnings) = 'array'),
    PRIMARY KEY (table_id, resolution, block),
    CHECK (p50_ns IS NOT NULL OR mean_ns IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE TABLE latency_networks (                                 -- whole networks, same protocol
    table_id INTEGER NOT NULL REFERENCES latency_tables (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    arch TEXT NOT NULL CHECK (arch <> ''),
    n INTEGER NOT NULL CHECK (n >= 0),
    min_ns REAL CHECK (min_ns >= 0),
    p50_ns REAL CHECK (p50_ns >= 0),
    p90_ns REAL CHECK (p90_ns >= 0),
    p99_ns REAL CHECK (p99_ns >= 0),
    mean_ns REAL CHECK (mean_ns >= 0),
    std_ns REAL CHECK (std_ns >= 0),
    ci_low_ns REAL CHECK (ci_low_ns >= 0),
    ci_high_ns REAL CHECK (ci_high_ns >= 0),
    warnings TEXT NOT NULL DEFAULT '[]' CHECK (json_type(warnings) = 'array'),
    PRIMARY KEY (table_id, position),
    CHECK (p50_ns IS NOT NULL OR mean_ns IS NOT NULL)
) STRICT, WITHOUT ROWID;

-- For people with the sqlite3 shell.
CREATE VIEW latency_tables_overview AS
SELECT t.id, t.device, t.processor, t.space, t.origin, t.source, t.threads, t.runtime, t.runtime_version,
       t.entry_count AS entries,
       (SELECT count(DISTINCT e.resolution) FROM latency_entries e WHERE e.table_id = t.id) AS resolutions,
       (SELECT count(*) FROM latency_warnings w WHERE w.table_id = t.id) AS warnings,
       strftime('%Y-%m-%dT%H:%M:%SZ', t.created_ns / 1000000000, 'unixepoch') AS created
FROM latency_tables t;

CREATE VIEW latency_entries_ms AS
SELECT e.table_id, t.device, t.processor, t.origin, e.resolution, e.block, e.n,
       coalesce(e.p50_ns, e.mean_ns) / 1e6 AS central_ms,
       e.min_ns / 1e6 AS min_ms, e.p50_ns / 1e6 AS p50_ms, e.p90_ns / 1e6 AS p90_ms, e.p99_ns / 1e6 AS p99_ms,
       e.mean_ns / 1e6 AS mean_ms, e.std_ns / 1e6 AS std_ms,
       e.ci_low_ns / 1e6 AS ci_low_ms, e.ci_high_ns / 1e6 AS ci_high_ms, e.warnings
FROM latency_entries e JOIN latency_tables t ON t.id = e.table_id;
