-- transactional: false
-- What customers look at. What they buy is a variant; a plain product has exactly one.
-- `price`, `price_max` repeat the lowest and highest price of the living variants, so that lists sort by an index.
-- The columns live_… are NULL for a deleted product: an index that begins with one holds the living in order, and a
-- page begins in it where the page before ended. With (deleted_at, price) MariaDB would read all pages before it.
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
    version INT UNSIGNED NOT NULL DEFAULT 1, -- counts changes of anything that is shown, stock apart; whoever writes a product adds one
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    deleted_at DATETIME(6) NULL, -- not for sale any more; past orders keep it
    live_slug VARCHAR(200) COLLATE utf8mb4_bin
        GENERATED ALWAYS AS (CASE WHEN deleted_at IS NULL THEN slug END) STORED, -- frees the slug of a deleted one
    live_price DECIMAL(12, 2)
        GENERATED ALWAYS AS (CASE WHEN deleted_at IS NULL THEN price END) STORED,
    live_name VARCHAR(200)
        GENERATED ALWAYS AS (CASE WHEN deleted_at IS NULL THEN name END) STORED,
    live_rating DECIMAL(3, 2)
        GENERATED ALWAYS AS (CASE WHEN deleted_at IS NULL THEN COALESCE(rating, 0) END) STORED, -- 0: no review yet
    CONSTRAINT uq_products_live_slug UNIQUE (live_slug),
    KEY ix_products_live_price (live_price, id),
    KEY ix_products_live_name (live_name, id),
    KEY ix_products_live_rating (live_rating, id),
    KEY ix_products_category_id (category_id), -- before the next, for the foreign key: see tests/test_schema.py
    KEY ix_products_category_id_deleted_at (category_id, deleted_at, id),
    FULLTEXT KEY ix_products_name_description (name, description),
    CONSTRAINT fk_products_category_id FOREIGN KEY (category_id) REFERENCES categories (id),
    CONSTRAINT ck_products_price CHECK (price > 0 AND price_max >= price)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
