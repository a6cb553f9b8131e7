-- transactional: false
-- By this staff read refunds with the highest, or the lowest, amount first.
ALTER TABLE refunds
    ADD KEY ix_refunds_amount (amount, id);
