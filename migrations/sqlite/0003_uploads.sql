-- Uploads, and the addresses under which a provider's accounts know content. Times are milliseconds
-- since the Unix epoch.

CREATE TABLE uploads (
    id           BLOB    NOT NULL PRIMARY KEY,
    tenant       TEXT    NOT NULL,
    content_type TEXT    NOT NULL,
    size_bytes   INTEGER NOT NULL,
    sha256       BLOB    NOT NULL,
    width        INTEGER,
    height       INTEGER,
    duration_ms  INTEGER,
    frames       INTEGER,
    file_name    TEXT    NOT NULL,
    created      INTEGER NOT NULL,
    expires      INTEGER NOT NULL
);

-- What the cleaner reads.
CREATE INDEX uploads_expire ON uploads (expires, id);

-- One address for one content at one account: what is placed again replaces it.
CREATE TABLE placements (
    account      TEXT    NOT NULL,
    sha256       BLOB    NOT NULL,
    content_type TEXT    NOT NULL,
    uri          TEXT    NOT NULL,
    expires      INTEGER NOT NULL,
    PRIMARY KEY (account, sha256, content_type)
) WITHOUT ROWID;

CREATE INDEX placements_expire ON placements (expires);
