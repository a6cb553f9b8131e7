INSERT INTO role_permissions (role_id, permission_id)
SELECT r.id, p.id
  FROM roles r
  JOIN permissions p
    ON r.name = 'admin'
    OR (r.name = 'manager' AND p.name <> 'users:manage')
    OR (r.name = 'support' AND p.name IN ('orders:read', 'payments:read'));
