-- transactional: false
-- The history of an order: one row for every change of its status or payment_status, in the same transaction.
CREATE TABLE order_events (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    order_id BIGINT UNSIGNED NOT NULL,
    name VARCHAR(60) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- order.placed, order.paid, order.shipped …
    from_status VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NULL,
    to_status VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NULL,
    actor_id BIGINT UNSIGNED NULL, -- NULL: the shop itself
    reason VARCHAR(300) NOT NULL DEFAULT '',
    request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    KEY ix_order_events_order_id (order_id, id),
    CONSTRAINT fk_order_events_order_id FOREIGN KEY (order_id) REFERENCES orders (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
