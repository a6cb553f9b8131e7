-- transactional: false
-- An order is a promise in money: its amounts never change after it was placed, only `paid` and `refunded` grow.
-- status:          pending -> processing -> shipped -> delivered -> returned; cancelled from the first two;
--                  an expired one is pending again when its money comes late and its goods are still here
-- payment_status:  unpaid <-> pending (a prompt is open) -> paid -> partially_refunded -> refunded; review
CREATE TABLE orders (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    number VARCHAR(12) COLLATE utf8mb4_bin NOT NULL, -- what the customer types as M-Pesa account
    user_id BIGINT UNSIGNED NULL, -- NULL: a guest's
    checkout_key CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL, -- SHA-256 of the key of the page it was placed on
    email VARCHAR(254) NOT NULL, -- as it was when the order was placed
    phone_number VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NULL,
    status VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payment_status VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payment_method VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- mpesa, cod, mock
    currency CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    subtotal DECIMAL(12, 2) NOT NULL, -- sum of the lines
    discount DECIMAL(12, 2) NOT NULL,
    shipping DECIMAL(12, 2) NOT NULL,
    rounding DECIMAL(12, 2) NOT NULL, -- what makes the total whole shillings; -0.50 to 0.99
    tax_included DECIMAL(12, 2) NOT NULL, -- VAT inside the total
    total DECIMAL(12, 2) NOT NULL, -- whole shillings
    paid DECIMAL(12, 2) NOT NULL DEFAULT 0,
    refunded DECIMAL(12, 2) NOT NULL DEFAULT 0,
    shipping_address TEXT NOT NULL, -- a JSON object
    note VARCHAR(1000) NOT NULL DEFAULT '', -- the customer's
    tracking_number VARCHAR(100) NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    paid_at DATETIME(6) NULL,
    expires_at DATETIME(6) NULL, -- until then it holds its stock unpaid; NULL when it needs no payment any more
    CONSTRAINT uq_orders_number UNIQUE (number),
    CONSTRAINT uq_orders_checkout_key UNIQUE (checkout_key),
    KEY ix_orders_user_id (user_id, id),
    KEY ix_orders_status (status, id),
    KEY ix_orders_payment_status (payment_status, id),
    KEY ix_orders_email (email, id),
    KEY ix_orders_phone_number (phone_number, id),
    KEY ix_orders_created_at (created_at, id),
    KEY ix_orders_expires_at (expires_at),
    CONSTRAINT fk_orders_user_id FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT ck_orders_total CHECK (total = subtotal + shipping - discount + rounding AND total > 0),
    CONSTRAINT ck_orders_whole_shillings CHECK (total = FLOOR(total)),
    CONSTRAINT ck_orders_paid CHECK (paid >= 0 AND refunded >= 0 AND refunded <= paid),
    CONSTRAINT ck_orders_status
        CHECK (status IN ('pending', 'processing', 'shipped', 'delivered', 'cancelled', 'returned')),
    CONSTRAINT ck_orders_payment_status
        CHECK (payment_status IN ('unpaid', 'pending', 'paid', 'partially_refunded', 'refunded', 'review'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci;
