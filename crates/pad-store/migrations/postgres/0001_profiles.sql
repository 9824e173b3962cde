CREATE TABLE profiles (
    scope TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
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
);

CREATE TABLE choices (
    scope TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
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
    scope TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    -- Name of the user that it is about.
    person TEXT COLLATE "C",
    body TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (scope, kind, id)
);

CREATE INDEX documents_by_age ON documents (created_at, bytes);
CREATE INDEX documents_by_expiry ON documents (expires_at);
CREATE INDEX documents_by_person ON documents (scope, person, created_at, id) WHERE person IS NOT NULL;

-- Every change of a profile, whoever makes it, is told to the servers that have it in their caches.
CREATE FUNCTION tell_pad_profile() RETURNS trigger AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM pg_notify('pad_profiles', OLD.scope || ' ' || OLD.name);
    ELSE
        PERFORM pg_notify('pad_profiles', NEW.scope || ' ' || NEW.name);
    END IF;
    RETURN NULL;
END
$$ LANGUAGE plpgsql;

CREATE TRIGGER profiles_tell AFTER INSERT OR UPDATE OR DELETE ON profiles
    FOR EACH ROW EXECUTE FUNCTION tell_pad_profile();
