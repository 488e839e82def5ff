-- What a program with schema 4 leaves behind; valid in both databases.
INSERT INTO inbox (id, request_key, input, at, state, attempt, due_at)
VALUES ('01J0000000000000000000000E', 'hook:4', '{"hook":{"hook":"alertmanager","body":"{}"}}', 4, 'new', 0, 0);
