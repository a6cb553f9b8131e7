INSERT INTO roles (name, description)
VALUES ('customer', 'Buys'),
       ('support', 'Sees orders and payments, helps customers'),
       ('manager', 'Runs the shop from day to day'),
       ('admin', 'May do everything');
