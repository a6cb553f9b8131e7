-- transactional: false
-- The provider's access token, one for all processes: each new one makes the one before invalid.
CREATE TABLE provider_tokens (
    name VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    access_token VARCHAR(500) CHARACTER SET ascii COLLATE ascii_bin NULL,
    expires_at DATETIME(6) NULL,
    renewing_until DATETIME(6) NULL -- one process has gone to fetch a new one, until then the others wait for it
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
