-- What monitors saw last, and when they look again, so that one replica looks at a time.
CREATE TABLE monitors (
    name    TEXT   NOT NULL PRIMARY KEY,
    due_at  BIGINT NOT NULL,
    -- Looks in a row that failed, and that did not.
    failing BIGINT NOT NULL,
    passing BIGINT NOT NULL,
    -- Since when its incident is open, as far as the monitor knows.
    since   BIGINT,
    -- What was wrong at the last look, a JSON list of texts.
    found   TEXT   NOT NULL
);
