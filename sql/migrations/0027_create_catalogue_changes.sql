-- transactional: false
-- What was edited in the catalogue, written in the transaction that edits it: web processes keep what they have read
-- of products, and hear here, and in stock_movements, what of it is no longer true. The worker deletes old rows.
CREATE TABLE catalogue_changes (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    product_id BIGINT UNSIGNED NULL, -- NULL: it may be any of them. No foreign key: a row is heard of, never looked up
    created_at DATETIME(6) NOT NULL,
    KEY ix_catalogue_changes_created_at (created_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
