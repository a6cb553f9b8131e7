-- transactional: false
-- What each day came to, rolled up by the worker out of the ledger and the payments. Days are Nairobi's.
-- A sale belongs to the day on which its order was paid in full, a refund to the day on which it was booked, a prompt
-- to the day on which it was sent, however late its outcome. What changes marks the day, which is then rolled up anew.
CREATE TABLE daily_figures (
    day DATE NOT NULL PRIMARY KEY,
    orders INT UNSIGNED NOT NULL DEFAULT 0, -- paid in full
    items INT UNSIGNED NOT NULL DEFAULT 0, -- pieces in them
    gross DECIMAL(12, 2) NOT NULL DEFAULT 0, -- their totals
    vat DECIMAL(12, 2) NOT NULL DEFAULT 0, -- inside gross
    refunds DECIMAL(12, 2) NOT NULL DEFAULT 0, -- sales that were given back
    refunded_vat DECIMAL(12, 2) NOT NULL DEFAULT 0, -- inside refunds
    prompts INT UNSIGNED NOT NULL DEFAULT 0, -- M-Pesa prompts
    prompts_succeeded INT UNSIGNED NOT NULL DEFAULT 0, -- that brought money
    prompts_failed INT UNSIGNED NOT NULL DEFAULT 0, -- that are known to have brought none
    prompts_timed INT UNSIGNED NOT NULL DEFAULT 0, -- that paid their order by themselves, without a person
    seconds_to_pay BIGINT UNSIGNED NOT NULL DEFAULT 0, -- of those, added up
    touched_at DATETIME(6) NULL, -- something has changed since it was rolled up
    rolled_at DATETIME(6) NULL,
    KEY ix_daily_figures_touched_at (touched_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
