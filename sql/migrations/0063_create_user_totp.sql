-- transactional: false
-- The second factor of an account: the secret that its owner's authenticator shares with us. It counts from
-- `confirmed_at` on. A code is good once: `last_step` is the 30-second step of the newest one that was taken.
CREATE TABLE user_totp (
    user_id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    secret VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- sealed with a key made of SECRET_KEY
    last_step BIGINT UNSIGNED NOT NULL DEFAULT 0,
    created_at DATETIME(6) NOT NULL,
    confirmed_at DATETIME(6) NULL,
    CONSTRAINT fk_user_totp_user_id FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
