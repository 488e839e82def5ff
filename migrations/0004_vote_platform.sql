-- Where a vote was given: one from a platform where its voter is no longer one of us does not count.
ALTER TABLE votes ADD COLUMN platform TEXT NOT NULL DEFAULT 'console';
