-- transactional: false
-- What each product brought on a day, rolled up with daily_figures: its row is the lock of the day's products.
CREATE TABLE daily_product_sales (
    day DATE NOT NULL,
    product_id BIGINT UNSIGNED NOT NULL,
    quantity INT UNSIGNED NOT NULL,
    gross DECIMAL(12, 2) NOT NULL, -- the lines' totals
    PRIMARY KEY (day, product_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
