-- What a program with schema 1 leaves behind; valid in both databases.
INSERT INTO inbox (id, request_key, input, at, state, attempt, due_at)
VALUES ('01J0000000000000000000000A', 'hook:1', '{"hook":{"hook":"alertmanager","body":"{}"}}', 1, 'new', 0, 0);
INSERT INTO messages (id, seq, revision, platform, channel, card, presses, version, posted_version, attempts, at)
VALUES ('01J0000000000000000000000B', 1, 1, 'console', '#infra', '{}', '{}', 1, 0, 0, 1);
UPDATE counters SET value = 1 WHERE name = 'revision';
