-- transactional: false
-- What the code asks for stays; permissions that staff add, for programs of their own, may be deleted.
ALTER TABLE permissions
    ADD COLUMN built_in TINYINT(1) NOT NULL DEFAULT 1;
