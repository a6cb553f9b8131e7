-- transactional: false
-- The sellable unit. `stock` is what can be sold now: orders take it, cancelling gives it back, and every change
-- has its row in stock_movements, so that the movements of a variant add up to its stock.
CREATE TABLE variants (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    product_id BIGINT UNSIGNED NOT NULL,
    position SMALLINT UNSIGNED NOT NULL,
    sku VARCHAR(64) NULL,
    options TEXT NOT NULL, -- a JSON object in the order of the product's options, {"Size": "M"}; {} for a plain one
    options_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- SHA-256 of the options, whatever their case
    price DECIMAL(12, 2) NOT NULL,
    stock INT NOT NULL DEFAULT 0,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    deleted_at DATETIME(6) NULL,
    live_sku VARCHAR(64)
        GENERATED ALWAYS AS (CASE WHEN deleted_at IS NULL THEN sku END) STORED,
    live_options_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin
        GENERATED ALWAYS AS (CASE WHEN deleted_at IS NULL THEN options_key END) STORED,
    CONSTRAINT uq_variants_live_sku UNIQUE (live_sku),
    CONSTRAINT uq_variants_product_id_live_options_key UNIQUE (product_id, live_options_key),
    KEY ix_variants_product_id (product_id, deleted_at, stock),
    CONSTRAINT fk_variants_product_id FOREIGN KEY (product_id) REFERENCES products (id),
    CONSTRAINT ck_variants_price CHECK (price > 0),
    CONSTRAINT ck_variants_stock CHECK (stock >= 0)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
