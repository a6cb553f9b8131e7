-- transactional: false
-- When the owner has shown that mails to the address reach him; NULL again when it changes.
ALTER TABLE users
    ADD COLUMN email_verified_at DATETIME(6) NULL AFTER email;
