-- transactional: false
-- What the shop tells a customer inside of it. Made by the worker out of an event of the outbox, once for each event
-- and customer. No foreign key to orders: to tell of one is no reason to lock it.
CREATE TABLE notifications (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    user_id BIGINT UNSIGNED NOT NULL,
    event_id BIGINT UNSIGNED NOT NULL, -- of outbox_events; may be gone from there by now
    topic VARCHAR(60) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- order.paid
    title VARCHAR(200) NOT NULL,
    text VARCHAR(1000) NOT NULL,
    order_id BIGINT UNSIGNED NULL, -- what it is about, when it is an order
    created_at DATETIME(6) NOT NULL,
    read_at DATETIME(6) NULL,
    CONSTRAINT uq_notifications_event_id_user_id UNIQUE (event_id, user_id),
    KEY ix_notifications_user_id (user_id, id),
    KEY ix_notifications_user_id_read_at (user_id, read_at, id),
    KEY ix_notifications_created_at (created_at),
    CONSTRAINT fk_notifications_user_id FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
