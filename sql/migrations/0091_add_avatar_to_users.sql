-- transactional: false
-- The name of a customer's picture, two files of which lie in the instance's folder; NULL: none.
ALTER TABLE users
    ADD COLUMN avatar CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL AFTER phone_number;
