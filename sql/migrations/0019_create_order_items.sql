-- transactional: false
-- What was bought, at the price and under the name of that moment.
-- No foreign key to variants, for the reason told at stock_movements.
CREATE TABLE order_items (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    order_id BIGINT UNSIGNED NOT NULL,
    product_id BIGINT UNSIGNED NOT NULL,
    variant_id BIGINT UNSIGNED NOT NULL,
    sku VARCHAR(64) NULL,
    name VARCHAR(200) NOT NULL,
    options TEXT NOT NULL,
    unit_price DECIMAL(12, 2) NOT NULL,
    quantity INT NOT NULL,
    line_total DECIMAL(12, 2) NOT NULL,
    CONSTRAINT uq_order_items_order_id_variant_id UNIQUE (order_id, variant_id),
    KEY ix_order_items_variant_id (variant_id),
    CONSTRAINT fk_order_items_order_id FOREIGN KEY (order_id) REFERENCES orders (id),
    CONSTRAINT fk_order_items_product_id FOREIGN KEY (product_id) REFERENCES products (id),
    CONSTRAINT ck_order_items_line_total CHECK (line_total = unit_price * quantity AND quantity > 0)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
