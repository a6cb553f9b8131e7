-- transactional: false
-- Money on its way back to who paid it. Its part of the payment is claimed (payments.refund_claimed) in the transaction
-- that writes this row, before anybody is called; a refund that fails gives the claim free.
-- status: created -> sent -> succeeded | failed; unknown: it may or may not be on its way; review: a person decides.
--   created  written, the call not yet made, or not taken yet
--   sent     the provider took it; its Result tells the rest
--   unknown  a call had no readable answer, or the process died in it
CREATE TABLE refunds (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    payment_id BIGINT UNSIGNED NOT NULL,
    order_id BIGINT UNSIGNED NULL, -- NULL: money that never found an order
    method VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- reversal, b2c, mock, cod
    status VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount DECIMAL(12, 2) NOT NULL,
    currency CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    phone_number VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NULL, -- to whom B2C sends it
    -- OriginatorConversationID of the method in force: ours for b2c (its idempotency key), the provider's for a reversal
    originator_conversation_id VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NULL,
    conversation_id VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NULL,
    receipt VARCHAR(20) COLLATE utf8mb4_bin NULL, -- of the money that went back, not of the payment
    result_code VARCHAR(30) CHARACTER SET ascii COLLATE ascii_bin NULL, -- the provider's; 0 or '1' or 'R000002'
    result_desc VARCHAR(300) NULL, -- prose of the provider; shown, never matched
    reason VARCHAR(300) NOT NULL, -- why it is given back
    review_reason VARCHAR(300) NULL, -- what a person is to do
    created_by BIGINT UNSIGNED NULL, -- NULL: the shop itself
    request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    called_at DATETIME(6) NULL, -- a call was begun then whose end is not written down
    sent_at DATETIME(6) NULL,
    settled_at DATETIME(6) NULL, -- when we booked it
    moved_at DATETIME(6) NULL, -- when the money moved, by the provider's clock
    attempts INT UNSIGNED NOT NULL DEFAULT 0, -- how often it was called for
    query_count INT UNSIGNED NOT NULL DEFAULT 0, -- how often it was asked after
    due_at DATETIME(6) NULL, -- when the worker turns to it next; NULL: it is nobody's turn, or a person's
    CONSTRAINT uq_refunds_originator_conversation_id UNIQUE (originator_conversation_id),
    CONSTRAINT uq_refunds_receipt UNIQUE (receipt),
    KEY ix_refunds_payment_id (payment_id, id),
    KEY ix_refunds_order_id (order_id, id),
    KEY ix_refunds_status (status, id),
    KEY ix_refunds_due_at (due_at),
    CONSTRAINT fk_refunds_payment_id FOREIGN KEY (payment_id) REFERENCES payments (id),
    CONSTRAINT fk_refunds_order_id FOREIGN KEY (order_id) REFERENCES orders (id),
    CONSTRAINT ck_refunds_amount CHECK (amount > 0),
    CONSTRAINT ck_refunds_method CHECK (method IN ('reversal', 'b2c', 'mock', 'cod')),
    CONSTRAINT ck_refunds_status CHECK (status IN ('created', 'sent', 'unknown', 'succeeded', 'failed', 'review')),
    CONSTRAINT ck_refunds_settled CHECK (status <> 'succeeded' OR settled_at IS NOT NULL)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
