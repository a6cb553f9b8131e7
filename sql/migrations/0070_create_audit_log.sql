-- transactional: false
-- What staff did, and what touched an account's safety: written in the transaction of what it tells, never changed.
-- No foreign key to users: an entry is no reason to lock its actor.
CREATE TABLE audit_log (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    action VARCHAR(60) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- order.cancelled
    target VARCHAR(140) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- order:17, category:tea
    actor_id BIGINT UNSIGNED NULL, -- NULL: the shop itself, or nobody who is known
    old_values MEDIUMTEXT NULL, -- a JSON object of what was; where both are told, of what differs
    new_values MEDIUMTEXT NULL,
    address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- empty: no request
    request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    KEY ix_audit_log_actor_id (actor_id, id),
    KEY ix_audit_log_action (action, id),
    KEY ix_audit_log_target (target, id),
    KEY ix_audit_log_request_id (request_id, id),
    KEY ix_audit_log_created_at (created_at, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
