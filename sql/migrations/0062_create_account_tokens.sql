-- transactional: false
-- One row for each link that was mailed to verify an address or to set a new password, as a hash. It is spent by
-- its first use (`used_at`), and by a newer one of its kind.
CREATE TABLE account_tokens (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    user_id BIGINT UNSIGNED NOT NULL,
    purpose VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- verify_email, reset_password
    email VARCHAR(254) NOT NULL, -- where it was sent: who holds it reads the mails of this address
    token_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- SHA-256, hex
    created_at DATETIME(6) NOT NULL,
    expires_at DATETIME(6) NOT NULL,
    used_at DATETIME(6) NULL,
    CONSTRAINT uq_account_tokens_token_hash UNIQUE (token_hash),
    KEY ix_account_tokens_user_id_purpose (user_id, purpose),
    KEY ix_account_tokens_expires_at (expires_at),
    CONSTRAINT fk_account_tokens_user_id FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
