"""The checks of sql/checks.sql: each is silent over a sound shop, and finds the breach that it is there for."""

from __future__ import annotations

import re

import pytest
from apiflask import APIFlask

from tests import factories
from utils import checks, db

HOUR_OLD = "UTC_TIMESTAMP(6) - INTERVAL 61 MINUTE"
PLACED = [
    """
    INSERT INTO orders (number, user_id, email, status, payment_status, payment_method, currency, subtotal, discount,
                        shipping, rounding, tax_included, total, shipping_address, created_at, updated_at, expires_at)
    SELECT 'CHECKED', u.id, u.email, 'pending', 'unpaid', 'mpesa', 'KES', 200, 0,
           0, 0, 27.59, 200, '{}', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
      FROM users u
    """,
    """
    INSERT INTO order_items (order_id, product_id, variant_id, name, options, unit_price, quantity, line_total)
    SELECT o.id, v.product_id, v.id, 'Tea', '{}', 100, 2, 200
      FROM orders o
      JOIN variants v
    """,
    """
    INSERT INTO order_events (order_id, name, to_status, request_id, created_at)
    SELECT o.id, 'order.placed', 'pending', '-', UTC_TIMESTAMP(6)
      FROM orders o
    """,
    """
    INSERT INTO stock_movements (variant_id, delta, reason, order_id, request_id, created_at)
    SELECT oi.variant_id, -oi.quantity, 'order', oi.order_id, '-', UTC_TIMESTAMP(6)
      FROM order_items oi
    """,
    "UPDATE variants SET stock = stock - 2",
]
OVERSOLD = """
    CREATE TEMPORARY TABLE variants (
        id BIGINT, sku VARCHAR(64), stock INT, product_id BIGINT, price DECIMAL(12, 2), deleted_at DATETIME(6)
    ) SELECT 1 AS id, 'oversold' AS sku, -1 AS stock, 1 AS product_id, 1 AS price, NULL AS deleted_at
"""
BREACHES = [
    ("order_totals", "UPDATE orders SET subtotal = subtotal + 10, total = total + 10"),
    ("stock_movements", "UPDATE variants SET stock = stock + 1"),
    # ck_variants_stock stands before this check, so the row is one of a table that hides the real one.
    ("stock_never_negative", OVERSOLD),
    ("order_stock", "UPDATE stock_movements SET order_id = NULL"),
    ("order_stock", "UPDATE orders SET status = 'cancelled'"),
    ("order_paid", "UPDATE orders SET paid = 1"),
    ("paid_in_full", "UPDATE orders SET payment_status = 'paid'"),
    ("paid_in_full", "UPDATE orders SET paid = total"),
    ("prompt_open", "UPDATE orders SET payment_status = 'pending'"),
    ("order_status_has_event", "DELETE FROM order_events"),
    ("order_status_has_event", "UPDATE orders SET status = 'processing'"),
    ("unpaid_orders_expire", "UPDATE orders SET expires_at = NULL"),
    (
        "callbacks_stuck",
        "INSERT INTO provider_callbacks (kind, body, address, request_id, received_at)"
        f" VALUES ('stk', '', '', '-', {HOUR_OLD})",
    ),
    (
        "outbox_stuck",
        f"INSERT INTO outbox_events (topic, payload, request_id, created_at) VALUES ('a.b', '', '-', {HOUR_OLD})",
    ),
    (
        "outbox_stuck",
        "INSERT INTO outbox_events (topic, payload, request_id, created_at, dead_at)"
        " VALUES ('a.b', '', '-', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
    ),
    (
        "address_default",
        "INSERT INTO addresses (user_id, line1, town, county, country, is_default, created_at, updated_at)"
        " SELECT u.id, 'Moi Avenue', 'Thika', 'Kiambu', 'KE', FALSE, u.created_at, u.created_at FROM users u",
    ),
    ("nothing_of_the_gone", "UPDATE users SET anonymised_at = created_at"),
    ("product_prices", "UPDATE products SET price_max = price_max + 1"),
    ("product_prices", "UPDATE products SET price = price - 1"),
]

PAID = [
    """
    INSERT INTO payments
        (order_id, method, status, amount, settled_amount, currency, request_id, created_at, updated_at, settled_at)
    SELECT o.id, 'mock', 'succeeded', o.total, o.total, o.currency, '-', o.created_at, o.created_at, o.created_at
      FROM orders o
    """,
    "UPDATE orders SET paid = total, payment_status = 'paid'",
    """
    INSERT INTO ledger_journals (kind, reference, order_id, payment_id, request_id, created_at)
    SELECT 'settled', 'payment', p.order_id, p.id, '-', p.created_at
      FROM payments p
    """,
    """
    INSERT INTO ledger_journals (kind, reference, order_id, request_id, created_at)
    SELECT 'sold', 'order', o.id, '-', o.created_at
      FROM orders o
    """,
    """
    INSERT INTO ledger_entries (journal_id, account, amount)
    SELECT lj.id, moved.account, moved.amount
      FROM ledger_journals lj
      JOIN (SELECT 'settled' AS kind, 'mock_clearing' AS account, 200 AS amount
            UNION ALL SELECT 'settled', 'receivable', -200
            UNION ALL SELECT 'sold', 'receivable', 200
            UNION ALL SELECT 'sold', 'sales', -172.41
            UNION ALL SELECT 'sold', 'vat', -27.59) AS moved ON moved.kind = lj.kind
    """,
]
REFUND = """
    INSERT INTO refunds
        (payment_id, order_id, method, status, amount, currency, reason, request_id, created_at, updated_at, settled_at)
    SELECT p.id, p.order_id, 'mock', 'succeeded', 10, p.currency, '', '-', p.created_at, p.created_at, p.created_at
      FROM payments p
"""
BREACHES_OF_MONEY = [
    ("refunds_are_booked", REFUND),
    ("clearing", REFUND),
    ("journals_balance", "UPDATE ledger_entries SET amount = amount + 1 WHERE account = 'sales'"),
    ("journals_balance", "DELETE FROM ledger_entries"),
    ("money_is_booked", "UPDATE payments SET settled_amount = settled_amount + 1"),
    ("money_is_booked", "UPDATE payments SET method = 'cod'"),
    ("money_is_booked", "UPDATE ledger_journals SET payment_id = NULL"),
    ("clearing", "UPDATE payments SET settled_amount = settled_amount - 1"),
    ("clearing", "UPDATE ledger_entries SET account = 'cash_on_delivery' WHERE account = 'mock_clearing'"),
    ("unallocated", "UPDATE payments SET status = 'review'"),
    ("unallocated", "UPDATE ledger_entries SET account = 'unallocated' WHERE account = 'receivable'"),
    ("receivable", "UPDATE orders SET paid = paid + 1"),
    ("receivable", "UPDATE ledger_journals SET kind = 'refunded' WHERE kind = 'settled'"),
    ("sales", "UPDATE orders SET paid = 0"),
    ("sales", "UPDATE orders SET tax_included = tax_included + 1"),
    ("sales", "UPDATE ledger_journals SET kind = 'settled' WHERE kind = 'sold'"),
]


REFUNDED = [
    """
    INSERT INTO refunds
        (payment_id, order_id, method, status, amount, currency, reason, request_id, created_at, updated_at, settled_at)
    SELECT p.id, p.order_id, 'mock', 'succeeded', 50, p.currency, 'broken', '-', p.created_at, p.created_at,
           p.created_at
      FROM payments p
    """,
    "UPDATE payments SET refund_claimed = 50",
    "UPDATE orders SET refunded = 50, payment_status = 'partially_refunded'",
    """
    INSERT INTO ledger_journals (kind, reference, order_id, payment_id, refund_id, request_id, created_at)
    SELECT 'refunded', 'refund', r.order_id, r.payment_id, r.id, '-', r.created_at
      FROM refunds r
    """,
    """
    INSERT INTO ledger_entries (journal_id, account, amount)
    SELECT lj.id, moved.account, moved.amount
      FROM ledger_journals lj
      JOIN (SELECT 'mock_clearing' AS account, -50 AS amount
            UNION ALL SELECT 'refunds', 43.10
            UNION ALL SELECT 'vat', 6.90) AS moved
     WHERE lj.kind = 'refunded'
    """,
]
BREACHES_OF_REFUNDS = [
    ("refunds_are_booked", "DELETE FROM ledger_entries WHERE amount = -50"),
    ("refunds_are_booked", "UPDATE refunds SET amount = 51"),
    ("refunds_are_booked", "UPDATE refunds SET status = 'failed'"),
    ("order_refunded", "UPDATE orders SET refunded = 49"),
    ("order_refunded", "UPDATE refunds SET status = 'review'"),
    ("refunds_within_payment", "UPDATE refunds SET amount = 201"),
    ("refund_claimed", "UPDATE payments SET refund_claimed = 51"),
    ("refund_claimed", "UPDATE refunds SET status = 'failed'"),
    ("refunds_looked_after", "UPDATE refunds SET status = 'sent'"),
    ("refunds_looked_after", "UPDATE refunds SET due_at = created_at"),
    ("paid_in_full", "UPDATE orders SET payment_status = 'refunded'"),
    ("paid_in_full", "UPDATE orders SET refunded = 0"),
]


class Undo(Exception):
    """Rolls a transaction back and carries out what was found in it."""


def find_after(*breach: str) -> set[str]:
    """Place an order by hand, break it, run the checks, and leave no trace."""

    @db.in_transaction
    def break_and_look(tx: db.Tx) -> None:
        for statement in [*PLACED, *breach]:
            tx.execute(statement)
        found = {finding.name for finding in checks.run(tx)}
        tx.execute("DROP TEMPORARY TABLE IF EXISTS variants")
        raise Undo(found)

    factories.make_user()
    factories.make_product(stock=10)
    with pytest.raises(Undo) as undone:
        break_and_look()
    found: set[str] = undone.value.args[0]
    return found


def test_every_check_in_the_file_is_read() -> None:
    names = [name for name, _, _ in checks.read_checks()]
    text = checks.FILE.read_text()
    assert len(names) == len(set(names)) == text.count(";\n") == len(re.findall(r"^SELECT", text, re.M))


def test_a_sound_order_breaks_no_check(app: APIFlask) -> None:
    assert find_after() == set()


def test_a_sound_payment_breaks_no_check(app: APIFlask) -> None:
    assert find_after(*PAID) == set()


def test_a_sound_refund_breaks_no_check(app: APIFlask) -> None:
    assert find_after(*PAID, *REFUNDED) == set()


@pytest.mark.parametrize(("name", "breach"), BREACHES)
def test_a_breach_is_found(app: APIFlask, name: str, breach: str) -> None:
    assert name in find_after(breach)


@pytest.mark.parametrize(("name", "breach"), BREACHES_OF_MONEY)
def test_a_breach_of_the_money_is_found(app: APIFlask, name: str, breach: str) -> None:
    assert name in find_after(*PAID, breach)


@pytest.mark.parametrize(("name", "breach"), BREACHES_OF_REFUNDS)
def test_a_breach_of_a_refund_is_found(app: APIFlask, name: str, breach: str) -> None:
    assert name in find_after(*PAID, *REFUNDED, breach)


def test_every_check_was_seen_to_fail() -> None:
    seen = BREACHES + BREACHES_OF_MONEY + BREACHES_OF_REFUNDS
    assert {name for name, _ in seen} == {name for name, _, _ in checks.read_checks()}
