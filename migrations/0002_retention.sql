-- What it takes to forget old things a few at a time.
CREATE INDEX messages_at ON messages (at, id);
ALTER TABLE runs ADD COLUMN outputs_kept BOOLEAN NOT NULL DEFAULT TRUE;
CREATE INDEX runs_outputs ON runs (ended_at, id) WHERE outputs_kept AND ended_at IS NOT NULL;
-- When things were last forgotten, so that one replica does it at a time.
INSERT INTO counters (name, value) VALUES ('retention', 0);
