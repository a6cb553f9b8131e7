-- transactional: false
-- Roles and permissions that the shop came with stay; those that staff make later may be deleted.
-- `changed_at` of the role admin is written first by whoever changes what anybody may do: one at a time.
ALTER TABLE roles
    ADD COLUMN built_in TINYINT(1) NOT NULL DEFAULT 1,
    ADD COLUMN changed_at DATETIME(6) NULL;
