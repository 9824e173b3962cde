CREATE TABLE profiles (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    -- JSON: weights by dimension, or a principle in words.
    preference TEXT NOT NULL,
    -- JSON of what was learned from choices.
    learned TEXT,
    -- Number of the latest choice.
    choices BIGINT NOT NULL DEFAULT 0,
    -- Milliseconds since 1970, here and below.
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
) WITHOUT ROWID;

CREATE TABLE choices (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    number BIGINT NOT NULL,
    -- JSON: what the profile is computed from.
    evidence TEXT NOT NULL,
    -- JSON: the texts.
    content TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    undone_at BIGINT,
    PRIMARY KEY (scope, name, number)
);

CREATE TABLE documents (
    scope TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    -- Name of the user that it is about.
    person TEXT,
    body TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (scope, kind, id)
);

CREATE INDEX documents_by_age ON documents (created_at, bytes);
CREATE INDEX documents_by_expiry ON documents (expires_at);
CREATE INDEX documents_by_person ON documents (scope, person, created_at, id) WHERE person IS NOT NULL;
