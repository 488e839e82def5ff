-- What a program with schema 3 leaves behind; valid in both databases.
INSERT INTO inbox (id, request_key, input, at, state, attempt, due_at)
VALUES ('01J0000000000000000000000D', 'hook:3', '{"hook":{"hook":"alertmanager","body":"{}"}}', 3, 'new', 0, 0);
INSERT INTO monitors (name, due_at, failing, passing, since, found) VALUES ('shop/up', 60000, 3, 0, 1, '["Up?: status"]');
