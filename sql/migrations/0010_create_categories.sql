-- transactional: false
-- A tree. `parent_id` NULL is a top category. Cycles are refused in products.category_services, under lock.
CREATE TABLE categories (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    parent_id BIGINT UNSIGNED NULL,
    slug VARCHAR(120) COLLATE utf8mb4_bin NOT NULL, -- ASCII; not declared so, or the server refuses to look for more
    name VARCHAR(120) NOT NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    CONSTRAINT uq_categories_slug UNIQUE (slug),
    KEY ix_categories_parent_id (parent_id, name),
    CONSTRAINT fk_categories_parent_id FOREIGN KEY (parent_id) REFERENCES categories (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
