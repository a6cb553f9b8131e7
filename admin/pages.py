"""The merchant's desk: the blueprints of all its pages."""

from __future__ import annotations

from admin import allocation_pages, dashboard_pages, import_pages, order_pages, payment_pages, product_pages

BLUEPRINTS = [
    dashboard_pages.bp,
    order_pages.bp,
    product_pages.bp,
    import_pages.bp,
    payment_pages.bp,
    allocation_pages.bp,
]
