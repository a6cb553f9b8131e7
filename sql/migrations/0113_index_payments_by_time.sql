-- transactional: false
-- By these a day's prompts are added up, and the days found whose prompts have changed.
ALTER TABLE payments
    ADD KEY ix_payments_created_at (created_at),
    ADD KEY ix_payments_updated_at (updated_at);
