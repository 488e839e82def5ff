-- What a program with schema 2 leaves behind; valid in both databases.
INSERT INTO inbox (id, request_key, input, at, state, attempt, due_at)
VALUES ('01J0000000000000000000000C', 'hook:2', '{"hook":{"hook":"alertmanager","body":"{}"}}', 2, 'new', 0, 0);
UPDATE counters SET value = 2 WHERE name = 'retention';
