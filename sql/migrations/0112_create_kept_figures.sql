-- transactional: false
-- What costs too much to look up for everybody who asks: the worker looks, and keeps what it saw.
CREATE TABLE kept_figures (
    name VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY, -- checks, low stock, days
    body MEDIUMTEXT NULL, -- JSON
    taken_at DATETIME(6) NULL, -- as of when it is true
    due_at DATETIME(6) NOT NULL -- when it is looked up again; pushed ahead by the worker that does
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
