-- transactional: false
-- What customers look at. What they buy is a variant; a plain product has exactly one.
-- `price`, `price_max` repeat the lowest and highest price of the living variants, so that lists sort by an index.
CREATE TABLE products (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    slug VARCHAR(200) COLLATE utf8mb4_bin NOT NULL, -- ASCII; not declared so, or the server refuses to look for more
    name VARCHAR(200) NOT NULL,
    description TEXT NOT NULL, -- cleaned HTML
    vendor VARCHAR(120) NOT NULL DEFAULT '',
    category_id BIGINT UNSIGNED NULL,
    options VARCHAR(400) NOT NULL DEFAULT '[]', -- a JSON array: the names by which its variants differ, in order
    price DECIMAL(12, 2) NOT NULL,
    price_max DECIMAL(12, 2) NOT NULL,
    compare_at_price DECIMAL(12, 2) NULL, -- the price before, struck through; above `price`
    rating DECIMAL(3, 2) NULL, -- mean of the reviews, 1.00 to 5.00
    review_count INT UNSIGNED NOT NULL DEFAULT 0,
    version INT UNSIGNED NOT NULL DEFAULT 1, -- counts edits; the ETag of the product
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    deleted_at DATETIME(6) NULL, -- not for sale any more; past orders keep it
    live_slug VARCHAR(200) COLLATE utf8mb4_bin
        GENERATED ALWAYS AS (CASE WHEN deleted_at IS NULL THEN slug END) STORED, -- frees the slug of a deleted one
    CONSTRAINT uq_products_live_slug UNIQUE (live_slug),
    KEY ix_products_deleted_at_price (deleted_at, price, id),
    KEY ix_products_deleted_at_name (deleted_at, name, id),
    KEY ix_products_deleted_at_rating (deleted_at, rating, id),
    KEY ix_products_deleted_at (deleted_at, id),
    KEY ix_products_category_id (category_id), -- before the next, for the foreign key: see tests/test_schema.py
    KEY ix_products_category_id_deleted_at (category_id, deleted_at, id),
    FULLTEXT KEY ix_products_name_description (name, description),
    CONSTRAINT fk_products_category_id FOREIGN KEY (category_id) REFERENCES categories (id),
    CONSTRAINT ck_products_price CHECK (price > 0 AND price_max >= price)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
