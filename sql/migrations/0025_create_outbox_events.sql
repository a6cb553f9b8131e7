-- transactional: false
-- What happened, written in the transaction in which it happened; the worker tells it on, at least once.
CREATE TABLE outbox_events (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    topic VARCHAR(60) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- order.paid
    payload TEXT NOT NULL, -- a JSON object of ids and plain facts
    request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- of the request that caused it
    created_at DATETIME(6) NOT NULL,
    due_at DATETIME(6) NULL, -- when to tell it; pushed ahead while a worker holds it; NULL once it is told or dead
    attempts INT UNSIGNED NOT NULL DEFAULT 0,
    done_at DATETIME(6) NULL,
    dead_at DATETIME(6) NULL, -- given up after many attempts; an operator looks
    last_error VARCHAR(500) NULL,
    KEY ix_outbox_events_due_at (due_at, id),
    KEY ix_outbox_events_dead_at (dead_at),
    KEY ix_outbox_events_done_at (done_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
