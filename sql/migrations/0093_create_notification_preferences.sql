-- transactional: false
-- How a customer wants to be told of what. No row: in the shop and by mail.
CREATE TABLE notification_preferences (
    user_id BIGINT UNSIGNED NOT NULL,
    topic_group VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- orders, payments, delivery, security
    in_app BOOLEAN NOT NULL,
    by_mail BOOLEAN NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (user_id, topic_group),
    CONSTRAINT fk_notification_preferences_user_id FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
