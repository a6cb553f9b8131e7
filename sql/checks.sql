-- What must hold at every moment. Each statement returns the rows that break its claim; none may.
-- Run by `flask db check`, after every flow test, and shown on the dashboard.

-- order_totals: an order's subtotal is the sum of its lines
SELECT o.id, o.number, o.subtotal, COALESCE(SUM(oi.line_total), 0) AS lines_total
  FROM orders o
  LEFT JOIN order_items oi ON oi.order_id = o.id
 GROUP BY o.id, o.number, o.subtotal
HAVING o.subtotal <> lines_total;

-- stock_movements: the movements of a variant add up to its stock
SELECT v.id, v.sku, v.stock, COALESCE(SUM(sm.delta), 0) AS moved
  FROM variants v
  LEFT JOIN stock_movements sm ON sm.variant_id = v.id
 GROUP BY v.id, v.sku, v.stock
HAVING v.stock <> moved;

-- stock_never_negative: nothing is oversold
SELECT v.id, v.sku, v.stock
  FROM variants v
 WHERE v.stock < 0;

-- order_stock: an order holds what it ordered, and a cancelled one nothing
SELECT oi.order_id, oi.variant_id, o.status, oi.quantity, COALESCE(SUM(sm.delta), 0) AS moved
  FROM order_items oi
  JOIN orders o ON o.id = oi.order_id
  LEFT JOIN stock_movements sm ON sm.order_id = oi.order_id AND sm.variant_id = oi.variant_id
 GROUP BY oi.order_id, oi.variant_id, o.status, oi.quantity
HAVING (o.status IN ('pending', 'processing', 'shipped', 'delivered') AND moved <> -oi.quantity)
    OR (o.status = 'cancelled' AND moved <> 0);

-- order_paid: what an order counts as paid is what its payments settled
SELECT o.id, o.number, o.paid, COALESCE(SUM(p.settled_amount), 0) AS settled
  FROM orders o
  LEFT JOIN payments p ON p.order_id = o.id AND p.status = 'succeeded'
 GROUP BY o.id, o.number, o.paid
HAVING o.paid <> settled;

-- paid_in_full: an order is paid if and only if at least its total was settled, refunded only when all of it went back
SELECT o.id, o.number, o.payment_status, o.total, o.paid, o.refunded
  FROM orders o
 WHERE (o.payment_status IN ('paid', 'partially_refunded') AND o.paid < o.total)
    OR (o.payment_status IN ('unpaid', 'pending') AND o.paid >= o.total)
    OR (o.payment_status = 'refunded' AND (o.paid = 0 OR o.refunded <> o.paid))
    OR (o.payment_status = 'partially_refunded' AND o.refunded = 0);

-- order_refunded: what an order counts as refunded is what went back of the payments that it counts as paid
SELECT o.id, o.number, o.refunded, COALESCE(SUM(r.amount), 0) AS sent_back
  FROM orders o
  LEFT JOIN payments p ON p.order_id = o.id AND p.status = 'succeeded'
  LEFT JOIN refunds r ON r.payment_id = p.id AND r.status = 'succeeded'
 GROUP BY o.id, o.number, o.refunded
HAVING o.refunded <> sent_back;

-- refunds_within_payment: no more went back of a payment, or is on its way, than came
SELECT p.id, p.settled_amount, SUM(r.amount) AS claimed
  FROM payments p
  JOIN refunds r ON r.payment_id = p.id AND r.status <> 'failed'
 GROUP BY p.id, p.settled_amount
HAVING claimed > COALESCE(p.settled_amount, 0);

-- refund_claimed: what is claimed of a payment is what its refunds hold; those that failed hold nothing
SELECT p.id, p.refund_claimed, COALESCE(SUM(r.amount), 0) AS held
  FROM payments p
  LEFT JOIN refunds r ON r.payment_id = p.id AND r.status <> 'failed'
 GROUP BY p.id, p.refund_claimed
HAVING p.refund_claimed <> held;

-- refunds_looked_after: a refund under way has a time at which the worker turns to it, any other has none
SELECT r.id, r.status, r.due_at
  FROM refunds r
 WHERE (r.due_at IS NOT NULL) <> (r.status IN ('created', 'sent', 'unknown'));

-- prompt_open: an order waits for a prompt only while an attempt holds it, which lets go of it in the end
SELECT o.id, o.number, o.payment_status
  FROM orders o
 WHERE o.payment_status = 'pending'
   AND NOT EXISTS (
       SELECT 1
         FROM payments p
        WHERE p.order_id = o.id
          AND p.prompt_until IS NOT NULL
          AND p.status IN ('created', 'sent', 'unknown'));

-- order_status_has_event: the last event that changed the status tells the status
SELECT o.id, o.number, o.status
  FROM orders o
 WHERE NOT EXISTS (
       SELECT 1
         FROM order_events oe
        WHERE oe.order_id = o.id
          AND oe.to_status = o.status
          AND oe.id = (SELECT MAX(last.id)
                         FROM order_events last
                        WHERE last.order_id = o.id
                          AND last.to_status IS NOT NULL));

-- unpaid_orders_expire: an order that holds stock unpaid has a time at which it gives it back
SELECT o.id, o.number
  FROM orders o
 WHERE o.status = 'pending'
   AND o.payment_status IN ('unpaid', 'pending')
   AND o.expires_at IS NULL;

-- callbacks_stuck: no callback waits for an hour, or for a day when it is the provider's query that it waits for
SELECT pc.id, pc.kind, pc.attempts, pc.last_error
  FROM provider_callbacks pc
 WHERE pc.applied_at IS NULL
   AND pc.received_at < UTC_TIMESTAMP(6) - INTERVAL CASE WHEN pc.outcome = 'waiting' THEN 25 ELSE 1 END HOUR;

-- outbox_stuck: no event waits for an hour, and none was given up
SELECT oe.id, oe.topic, oe.attempts, oe.last_error
  FROM outbox_events oe
 WHERE oe.dead_at IS NOT NULL
    OR (oe.done_at IS NULL AND oe.created_at < UTC_TIMESTAMP(6) - INTERVAL 1 HOUR);

-- address_default: who has addresses has one that is the default
SELECT a.user_id, COUNT(*) AS addresses
  FROM addresses a
 GROUP BY a.user_id
HAVING SUM(a.is_default) <> 1;

-- nothing_of_the_gone: nothing of a person is left with an account that has ended
SELECT u.id, u.username, u.email
  FROM users u
 WHERE u.anonymised_at IS NOT NULL
   AND (u.phone_number IS NOT NULL
        OR u.avatar IS NOT NULL
        OR u.email <> CONCAT('deleted-', u.id, '@deleted.invalid')
        OR EXISTS (SELECT 1 FROM notifications n WHERE n.user_id = u.id)
        OR EXISTS (SELECT 1 FROM notification_preferences np WHERE np.user_id = u.id)
        OR EXISTS (SELECT 1 FROM addresses a WHERE a.user_id = u.id)
        OR EXISTS (SELECT 1 FROM account_tokens ac WHERE ac.user_id = u.id)
        OR EXISTS (SELECT 1 FROM sessions s WHERE s.user_id = u.id AND (s.device <> '' OR s.address <> '')));

-- product_prices: a product's price is its cheapest living variant's
SELECT p.id, p.slug, p.price, p.price_max, MIN(v.price) AS lowest, MAX(v.price) AS highest
  FROM products p
  JOIN variants v ON v.product_id = p.id AND v.deleted_at IS NULL
 WHERE p.deleted_at IS NULL
 GROUP BY p.id, p.slug, p.price, p.price_max
HAVING p.price <> lowest OR p.price_max <> highest;

-- journals_balance: the entries of a journal sum to zero, and there are at least two
SELECT lj.id, lj.reference, COUNT(le.id) AS entries, COALESCE(SUM(le.amount), 0) AS difference
  FROM ledger_journals lj
  LEFT JOIN ledger_entries le ON le.journal_id = lj.id
 GROUP BY lj.id, lj.reference
HAVING entries < 2 OR difference <> 0;

-- money_is_booked: what a payment brought went into the clearing account of its method, once and with its own journal
SELECT p.id, p.method, p.status, p.settled_amount, COALESCE(SUM(le.amount), 0) AS booked
  FROM payments p
  LEFT JOIN ledger_journals lj ON lj.payment_id = p.id AND lj.kind IN ('settled', 'unallocated')
  LEFT JOIN ledger_entries le
         ON le.journal_id = lj.id
        AND le.account = CASE p.method
                              WHEN 'cod' THEN 'cash_on_delivery'
                              WHEN 'mock' THEN 'mock_clearing'
                              ELSE 'mpesa_clearing'
                          END
 GROUP BY p.id, p.method, p.status, p.settled_amount
HAVING booked <> CASE WHEN p.status IN ('succeeded', 'review') THEN COALESCE(p.settled_amount, 0) ELSE 0 END;

-- refunds_are_booked: a refund that succeeded left the clearing account of its method, once, and no other refund did
SELECT r.id, r.method, r.status, r.amount, COALESCE(SUM(le.amount), 0) AS booked
  FROM refunds r
  LEFT JOIN ledger_journals lj ON lj.refund_id = r.id
  LEFT JOIN ledger_entries le
         ON le.journal_id = lj.id
        AND le.account = CASE r.method
                              WHEN 'cod' THEN 'cash_on_delivery'
                              WHEN 'mock' THEN 'mock_clearing'
                              ELSE 'mpesa_clearing'
                          END
 GROUP BY r.id, r.method, r.status, r.amount
HAVING -booked <> CASE WHEN r.status = 'succeeded' THEN r.amount ELSE 0 END;

-- clearing: a clearing account holds what payments brought less what refunds took, and nothing else
SELECT held.account, held.balance, COALESCE(moved.amount, 0) AS moved
  FROM (SELECT le.account, SUM(le.amount) AS balance
          FROM ledger_entries le
         WHERE le.account IN ('mpesa_clearing', 'cash_on_delivery', 'mock_clearing')
         GROUP BY le.account) AS held
  LEFT JOIN (SELECT CASE told.method
                         WHEN 'cod' THEN 'cash_on_delivery'
                         WHEN 'mock' THEN 'mock_clearing'
                         ELSE 'mpesa_clearing'
                     END AS account,
                    SUM(told.amount) AS amount
               FROM (SELECT p.method, p.settled_amount AS amount
                       FROM payments p
                      WHERE p.status IN ('succeeded', 'review')
                      UNION ALL
                     SELECT r.method, -r.amount
                       FROM refunds r
                      WHERE r.status = 'succeeded') AS told
              GROUP BY account) AS moved ON moved.account = held.account
 WHERE held.balance <> COALESCE(moved.amount, 0);

-- unallocated: money without a home is that of the payments in review, less what of it was given back
SELECT p.id, p.status, p.settled_amount, COALESCE(SUM(le.amount), 0) AS unallocated
  FROM payments p
  LEFT JOIN ledger_journals lj ON lj.payment_id = p.id
  LEFT JOIN ledger_entries le ON le.journal_id = lj.id AND le.account = 'unallocated'
 GROUP BY p.id, p.status, p.settled_amount
HAVING -unallocated <> CASE
                            WHEN p.status = 'review'
                            THEN COALESCE(p.settled_amount, 0)
                                 - (SELECT COALESCE(SUM(r.amount), 0)
                                      FROM refunds r
                                     WHERE r.payment_id = p.id
                                       AND r.status = 'succeeded')
                            ELSE 0
                        END;

-- receivable: a customer has with us what they paid less what was sold, refunds aside, and never owes us
SELECT o.id, o.number, o.total, o.paid, COALESCE(SUM(le.amount), 0) AS balance,
       COALESCE(SUM(CASE WHEN lj.kind <> 'refunded' THEN le.amount END), 0) AS before_refunds
  FROM orders o
  LEFT JOIN ledger_journals lj ON lj.order_id = o.id
  LEFT JOIN ledger_entries le ON le.journal_id = lj.id AND le.account = 'receivable'
 GROUP BY o.id, o.number, o.total, o.paid
HAVING before_refunds <> CASE WHEN o.paid >= o.total THEN o.total ELSE 0 END - o.paid
    OR balance > 0;

-- sales: an order that is paid in full has one sale, with the amounts of the order, and no other order has one
SELECT o.id, o.number, o.total, o.paid, COUNT(DISTINCT lj.id) AS sales
  FROM orders o
  LEFT JOIN ledger_journals lj ON lj.order_id = o.id AND lj.kind = 'sold'
  LEFT JOIN ledger_entries le ON le.journal_id = lj.id
 GROUP BY o.id, o.number, o.total, o.paid, o.tax_included, o.rounding
HAVING sales <> (o.paid >= o.total)
    OR (sales > 0
        AND (COALESCE(SUM(CASE WHEN le.account = 'receivable' THEN le.amount END), 0) <> o.total
             OR COALESCE(SUM(CASE WHEN le.account = 'vat' THEN le.amount END), 0) <> -o.tax_included
             OR COALESCE(SUM(CASE WHEN le.account = 'rounding' THEN le.amount END), 0) <> -o.rounding));
