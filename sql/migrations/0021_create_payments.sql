-- transactional: false
-- One attempt to be paid, or one sum that arrived. Written and committed before the provider is called.
-- status: created -> sent -> succeeded | failed | unknown; review: money is there and does not fit.
--   created  written, the call not yet made (or the process died before it knew whether it was)
--   sent     the provider took it: there is a prompt on the phone
--   unknown  the call had no readable answer: the payer may or may not see a prompt;
--            or nobody could say for a day how the prompt ended
-- A success wins over an earlier failure; nothing undoes a success.
CREATE TABLE payments (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    order_id BIGINT UNSIGNED NULL, -- NULL: money that arrived without a home
    method VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- mpesa_stk, mpesa_c2b, cod, mock
    status VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount DECIMAL(12, 2) NOT NULL, -- what was asked for
    settled_amount DECIMAL(12, 2) NULL, -- what came, by the provider's word
    refund_claimed DECIMAL(12, 2) NOT NULL DEFAULT 0, -- what went back, is on its way, or is held for a person to decide
    currency CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    phone_number VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NULL,
    merchant_request_id VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NULL,
    checkout_request_id VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NULL,
    receipt VARCHAR(20) COLLATE utf8mb4_bin NULL, -- the money's own key, over STK and C2B alike
    result_code VARCHAR(30) CHARACTER SET ascii COLLATE ascii_bin NULL, -- the provider's; 0 or '1032' or 'SFC_IC0003'
    result_desc VARCHAR(300) NULL, -- prose of the provider; shown, never matched
    review_reason VARCHAR(300) NULL,
    created_by BIGINT UNSIGNED NULL,
    request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    sent_at DATETIME(6) NULL,
    settled_at DATETIME(6) NULL, -- when we booked the money
    query_count INT UNSIGNED NOT NULL DEFAULT 0,
    query_due_at DATETIME(6) NULL, -- when to ask the provider next; NULL: nothing to ask
    prompt_until DATETIME(6) NULL, -- until then it keeps its order's payment_status pending; NULL: it let go of it
    CONSTRAINT uq_payments_checkout_request_id UNIQUE (checkout_request_id),
    CONSTRAINT uq_payments_receipt UNIQUE (receipt),
    KEY ix_payments_order_id (order_id, id),
    KEY ix_payments_status (status, id),
    KEY ix_payments_query_due_at (query_due_at),
    KEY ix_payments_prompt_until (prompt_until),
    CONSTRAINT fk_payments_order_id FOREIGN KEY (order_id) REFERENCES orders (id),
    CONSTRAINT ck_payments_amount CHECK (amount > 0),
    CONSTRAINT ck_payments_status
        CHECK (status IN ('created', 'sent', 'unknown', 'succeeded', 'failed', 'review')),
    CONSTRAINT ck_payments_refund_claimed
        CHECK (refund_claimed >= 0 AND refund_claimed <= COALESCE(settled_amount, 0)),
    CONSTRAINT ck_payments_settled
        CHECK (status <> 'succeeded' OR (settled_at IS NOT NULL AND settled_amount IS NOT NULL))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
