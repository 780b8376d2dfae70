-- The samples behind a distribution, in the order in which they were taken, NULL where unknown: the
-- first one's nanoseconds, then each one's difference from the one before, as signed varints
-- (zigzag, base 128, least significant group first).
ALTER TABLE latency_entries ADD COLUMN samples BLOB;
ALTER TABLE latency_networks ADD COLUMN samples BLOB;
