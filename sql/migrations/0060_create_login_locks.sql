-- transactional: false
-- Log-ins that failed, or are being tried: one row for an account, or for a name that no account has. A success
-- deletes it. While `locked_until` lies ahead, no password is even looked at.
CREATE TABLE login_locks (
    subject VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY, -- user:42, name:<SHA-256, hex>
    failures INT UNSIGNED NOT NULL DEFAULT 0,
    locked_until DATETIME(6) NULL,
    tried_at DATETIME(6) NOT NULL,
    KEY ix_login_locks_tried_at (tried_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
