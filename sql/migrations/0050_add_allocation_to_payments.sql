-- transactional: false
-- Money that was paid by hand: what the payer typed as the account, and who put it to an order when it fitted none.
ALTER TABLE payments
    ADD COLUMN typed_account VARCHAR(40) NULL AFTER phone_number,
    ADD COLUMN allocated_by BIGINT UNSIGNED NULL AFTER created_by,
    ADD COLUMN allocated_at DATETIME(6) NULL AFTER settled_at;
