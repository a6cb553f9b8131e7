-- transactional: false
-- What lies in a cart: a variant once, with how many.
-- No foreign key to variants: its shared lock on the variant would make buyers wait for everybody who puts it into a
-- cart. Variants are never deleted, only marked so.
CREATE TABLE cart_items (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    cart_id BIGINT UNSIGNED NOT NULL,
    variant_id BIGINT UNSIGNED NOT NULL,
    quantity INT NOT NULL,
    seen_price DECIMAL(12, 2) NOT NULL, -- the price when it was put in; another one now is told as `price_changed`
    created_at DATETIME(6) NOT NULL,
    CONSTRAINT uq_cart_items_cart_id_variant_id UNIQUE (cart_id, variant_id),
    CONSTRAINT fk_cart_items_cart_id FOREIGN KEY (cart_id) REFERENCES carts (id),
    CONSTRAINT ck_cart_items_quantity CHECK (quantity BETWEEN 1 AND 999)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
