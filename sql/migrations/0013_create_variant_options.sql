-- transactional: false
-- The options of living variants once more, a row each, so that `option.Size=M` finds them by an index.
CREATE TABLE variant_options (
    variant_id BIGINT UNSIGNED NOT NULL,
    name VARCHAR(60) NOT NULL,
    value VARCHAR(120) NOT NULL,
    PRIMARY KEY (variant_id, name),
    KEY ix_variant_options_name_value (name, value, variant_id),
    CONSTRAINT fk_variant_options_variant_id FOREIGN KEY (variant_id) REFERENCES variants (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
