INSERT INTO permissions (name, description)
VALUES ('products:write', 'Create, change and delete products, categories and stock'),
       ('orders:read', 'See every order'),
       ('orders:manage', 'Move orders along, cancel them, add tracking'),
       ('payments:read', 'See every payment and the money to review'),
       ('payments:refund', 'Give money back and allocate what arrived without a home'),
       ('reports:read', 'See the dashboard, reports and the audit log'),
       ('users:manage', 'Change accounts, roles and permissions');
