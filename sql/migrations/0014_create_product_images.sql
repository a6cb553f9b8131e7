-- transactional: false
-- Pictures by address; position 1 is the product's `image_url`.
CREATE TABLE product_images (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    product_id BIGINT UNSIGNED NOT NULL,
    position SMALLINT UNSIGNED NOT NULL,
    url VARCHAR(1000) NOT NULL,
    alt VARCHAR(300) NOT NULL DEFAULT '',
    CONSTRAINT uq_product_images_product_id_position UNIQUE (product_id, position),
    CONSTRAINT fk_product_images_product_id FOREIGN KEY (product_id) REFERENCES products (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
