-- Spaces of the user's own, as YAML, so that the file they came from is needed no more. '': the name of the
-- space says everything. All tables of a space have the same.
ALTER TABLE latency_tables ADD COLUMN space_description TEXT NOT NULL DEFAULT '';
