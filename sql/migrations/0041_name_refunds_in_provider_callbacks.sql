-- transactional: false
-- A Result or a timeout notice tells of a refund, and of which call about it: the token in its address says so.
ALTER TABLE provider_callbacks
    ADD COLUMN refund_id BIGINT UNSIGNED NULL AFTER payment_id,
    ADD COLUMN refund_call VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NULL AFTER refund_id, -- b2c, b2c_status …
    ADD KEY ix_provider_callbacks_refund_id (refund_id),
    ADD CONSTRAINT fk_provider_callbacks_refund_id FOREIGN KEY (refund_id) REFERENCES refunds (id);
