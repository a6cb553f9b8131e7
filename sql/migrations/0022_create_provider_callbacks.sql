-- transactional: false
-- The inbox: what the provider told us, word for word, committed before it is answered and applied afterwards.
CREATE TABLE provider_callbacks (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    kind VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- stk, c2b, result, timeout
    payment_id BIGINT UNSIGNED NULL, -- the attempt whose token the address held
    body MEDIUMTEXT NOT NULL,
    address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    received_at DATETIME(6) NOT NULL,
    due_at DATETIME(6) NULL, -- when to apply it; pushed ahead while a worker holds it; NULL once it is applied
    attempts INT UNSIGNED NOT NULL DEFAULT 0,
    applied_at DATETIME(6) NULL,
    outcome VARCHAR(60) CHARACTER SET ascii COLLATE ascii_bin NULL, -- settled, failed, repeated, review …; waiting: for the query
    last_error VARCHAR(500) NULL,
    KEY ix_provider_callbacks_due_at (due_at, id),
    KEY ix_provider_callbacks_payment_id (payment_id),
    CONSTRAINT fk_provider_callbacks_payment_id FOREIGN KEY (payment_id) REFERENCES payments (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
