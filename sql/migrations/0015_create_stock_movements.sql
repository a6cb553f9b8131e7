-- transactional: false
-- Every change of a variant's stock, written in the transaction that changes it. Only ever added to.
-- No foreign key to variants: its shared lock on the variant, followed by the UPDATE of the stock in the same
-- transaction, would deadlock any two buyers of one variant. That UPDATE must hit the variant, so none is missing.
CREATE TABLE stock_movements (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    variant_id BIGINT UNSIGNED NOT NULL,
    delta INT NOT NULL,
    reason VARCHAR(200) NOT NULL, -- initial, import, order, order cancelled, or what staff wrote
    order_id BIGINT UNSIGNED NULL, -- the order that took it or gave it back; no foreign key: orders stand above products
    actor_id BIGINT UNSIGNED NULL, -- NULL: the shop itself
    request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    KEY ix_stock_movements_variant_id (variant_id, id),
    KEY ix_stock_movements_order_id (order_id),
    CONSTRAINT ck_stock_movements_delta CHECK (delta <> 0)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
