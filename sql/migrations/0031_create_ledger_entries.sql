-- transactional: false
-- What a journal moves: a debit is above zero, a credit below. The accounts are told in payments/ledger.py.
CREATE TABLE ledger_entries (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    journal_id BIGINT UNSIGNED NOT NULL,
    account VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount DECIMAL(12, 2) NOT NULL,
    CONSTRAINT uq_ledger_entries_journal_id_account UNIQUE (journal_id, account),
    KEY ix_ledger_entries_account (account, journal_id, amount),
    CONSTRAINT fk_ledger_entries_journal_id FOREIGN KEY (journal_id) REFERENCES ledger_journals (id),
    CONSTRAINT ck_ledger_entries_amount CHECK (amount <> 0),
    CONSTRAINT ck_ledger_entries_account
        CHECK (account IN ('mpesa_clearing', 'cash_on_delivery', 'mock_clearing', 'receivable', 'unallocated',
                           'sales', 'vat', 'rounding', 'refunds'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
