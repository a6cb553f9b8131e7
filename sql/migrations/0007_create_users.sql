-- transactional: false
-- An account. It is never deleted: orders and books refer to it; `anonymised_at` says that the person is gone.
CREATE TABLE users (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    username VARCHAR(60) NOT NULL,
    email VARCHAR(254) NOT NULL,
    password_hash VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- bcrypt
    phone_number VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NULL, -- 2547######## or 2541########
    role_id SMALLINT UNSIGNED NOT NULL,
    disabled_at DATETIME(6) NULL, -- may not log in any more
    anonymised_at DATETIME(6) NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    CONSTRAINT uq_users_username UNIQUE (username),
    CONSTRAINT uq_users_email UNIQUE (email),
    CONSTRAINT fk_users_role_id FOREIGN KEY (role_id) REFERENCES roles (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
