-- transactional: false
-- By this staff read payments with the highest, or the lowest, amount first.
ALTER TABLE payments
    ADD KEY ix_payments_amount (amount, id);
