-- transactional: false
-- A customer's address book. Orders copy what they need of it: to change or delete an address changes no order.
CREATE TABLE addresses (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    user_id BIGINT UNSIGNED NOT NULL,
    label VARCHAR(40) NOT NULL DEFAULT '', -- Home, Shop, Grandmother
    recipient_name VARCHAR(100) NOT NULL DEFAULT '',
    phone_number VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NULL, -- 2547######## or 2541########
    line1 VARCHAR(200) NOT NULL,
    line2 VARCHAR(200) NULL,
    town VARCHAR(200) NOT NULL,
    county VARCHAR(40) NOT NULL, -- one of the 47, as utils/counties.py writes it
    postal_code VARCHAR(20) NULL,
    country CHAR(2) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    is_default BOOLEAN NOT NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    default_of BIGINT UNSIGNED
        GENERATED ALWAYS AS (CASE WHEN is_default THEN user_id END) STORED, -- so that nobody has two defaults
    CONSTRAINT uq_addresses_default_of UNIQUE (default_of),
    KEY ix_addresses_user_id (user_id, id),
    CONSTRAINT fk_addresses_user_id FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
