-- transactional: false
-- The first answer under an Idempotency-Key, kept in the transaction of its effect and given again.
-- A key is claimed first (`answered_at` NULL); a claim whose lease ran out belonged to a process that died before
-- its effect was committed, and may be taken over.
CREATE TABLE idempotency_keys (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    scope VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- whose key: user:7
    idempotency_key VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
    fingerprint CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- SHA-256 of method, path and body
    claim CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- who runs it now
    leased_until DATETIME(6) NOT NULL,
    status_code SMALLINT UNSIGNED NULL,
    content_type VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NULL,
    body MEDIUMTEXT NULL,
    answered_at DATETIME(6) NULL,
    created_at DATETIME(6) NOT NULL,
    expires_at DATETIME(6) NOT NULL,
    CONSTRAINT uq_idempotency_keys_scope_idempotency_key UNIQUE (scope, idempotency_key),
    KEY ix_idempotency_keys_expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
