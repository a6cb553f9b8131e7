-- transactional: false
-- A customer has one cart; a guest's is known by the hash of its token. The row is the lock of its items.
CREATE TABLE carts (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    user_id BIGINT UNSIGNED NULL,
    token_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL, -- SHA-256 of X-Cart-Token
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    CONSTRAINT uq_carts_user_id UNIQUE (user_id),
    CONSTRAINT uq_carts_token_hash UNIQUE (token_hash),
    KEY ix_carts_user_id_updated_at (user_id, updated_at), -- guests' carts, the longest untouched first
    CONSTRAINT fk_carts_user_id FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT ck_carts_owner CHECK ((user_id IS NULL) <> (token_hash IS NULL))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
