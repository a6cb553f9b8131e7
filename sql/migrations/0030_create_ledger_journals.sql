-- transactional: false
-- One thing that happened to money, told once and never changed; its entries sum to zero.
-- Written in the transaction of what it tells: a payment settled, an order sold, a refund that reached its end.
CREATE TABLE ledger_journals (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    kind VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- settled, sold, unallocated, allocated, refunded
    reference VARCHAR(60) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- payment:12:settled; once, whoever tells it
    order_id BIGINT UNSIGNED NULL, -- NULL: money that no order is known for
    payment_id BIGINT UNSIGNED NULL, -- NULL: a sale, which has no payment of its own
    refund_id BIGINT UNSIGNED NULL,
    request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    CONSTRAINT uq_ledger_journals_reference UNIQUE (reference),
    KEY ix_ledger_journals_order_id (order_id, id),
    KEY ix_ledger_journals_payment_id (payment_id, id),
    KEY ix_ledger_journals_refund_id (refund_id, id),
    KEY ix_ledger_journals_created_at (created_at, id),
    CONSTRAINT fk_ledger_journals_order_id FOREIGN KEY (order_id) REFERENCES orders (id),
    CONSTRAINT fk_ledger_journals_payment_id FOREIGN KEY (payment_id) REFERENCES payments (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
