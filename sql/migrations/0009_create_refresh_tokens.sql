-- transactional: false
-- One row for each refresh token ever given out, as a hash. It is spent by its first use (`used_at`); a second use
-- means that it was stolen, and revokes the session.
CREATE TABLE refresh_tokens (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    session_id BIGINT UNSIGNED NOT NULL,
    token_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- SHA-256, hex
    created_at DATETIME(6) NOT NULL,
    expires_at DATETIME(6) NOT NULL,
    used_at DATETIME(6) NULL,
    CONSTRAINT uq_refresh_tokens_token_hash UNIQUE (token_hash),
    KEY ix_refresh_tokens_session_id (session_id),
    KEY ix_refresh_tokens_expires_at (expires_at),
    CONSTRAINT fk_refresh_tokens_session_id FOREIGN KEY (session_id) REFERENCES sessions (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
