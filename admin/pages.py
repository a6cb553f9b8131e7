"""The merchant's desk: the blueprints of all its pages."""

from __future__ import annotations

from admin import (
    allocation_pages,
    audit_pages,
    dashboard_pages,
    import_pages,
    key_pages,
    order_pages,
    payment_pages,
    people_pages,
    product_pages,
    role_pages,
)

BLUEPRINTS = [
    dashboard_pages.bp,
    order_pages.bp,
    product_pages.bp,
    import_pages.bp,
    payment_pages.bp,
    allocation_pages.bp,
    people_pages.bp,
    role_pages.bp,
    audit_pages.bp,
    key_pages.bp,
]
