-- transactional: false
-- A key with which a program acts for its owner, within the scopes and no further than the owner may go at the time.
-- The program shows `duka_<id>_<secret>`; only the secret's hash is kept.
CREATE TABLE api_keys (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    user_id BIGINT UNSIGNED NOT NULL,
    name VARCHAR(100) NOT NULL,
    secret_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- SHA-256, hex
    scopes TEXT NOT NULL, -- a JSON list of permissions
    created_at DATETIME(6) NOT NULL,
    expires_at DATETIME(6) NULL, -- NULL: never
    last_used_at DATETIME(6) NULL, -- to the minute
    revoked_at DATETIME(6) NULL,
    KEY ix_api_keys_user_id (user_id),
    CONSTRAINT fk_api_keys_user_id FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
