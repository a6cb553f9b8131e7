"""The audit log: who did what to what, what was before and after, from where, in which request.

Owns the table audit_log, to which rows are only ever added, each in the transaction of what it tells: an entry stands
if and only if the deed does. Secrets are left out by the names of their fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from decimal import Decimal
from typing import Any

from utils import clock, db, trace

SECRET = re.compile(r"password|secret|token|hash|recovery|cookie", re.IGNORECASE)


def record_tx(
    tx: db.Tx,
    *,
    action: str,
    actor_id: int | None,
    target: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write down a deed (`order.cancelled`) on something (`order:17`) in your transaction.

    Where both `before` and `after` are told, what is the same in both is left out.
    """
    same = set() if before is None or after is None else _names_of_the_same(before, after)
    tx.insert(
        """
        INSERT INTO audit_log
            (action, target, actor_id, old_values, new_values, address, request_id, created_at)
        VALUES
            (%(action)s, %(target)s, %(actor_id)s, %(before)s, %(after)s, %(address)s, %(request_id)s, %(now)s)
        """,
        {
            "action": action,
            "target": target,
            "actor_id": actor_id,
            "before": _json(before, same),
            "after": _json(after, same),
            "address": trace.address(),
            "request_id": trace.request_id(),
            "now": clock.now(),
        },
    )


def _names_of_the_same(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    return {name for name in before.keys() & after.keys() if before[name] == after[name]}


def _json(values: Mapping[str, Any] | None, left_out: Set[str]) -> str | None:
    if values is None:
        return None
    kept = {name: value for name, value in values.items() if name not in left_out}
    return json.dumps(_without_secrets(kept), ensure_ascii=False)


def _without_secrets(value: Any) -> Any:
    """Return plain JSON data, without any field that is named like a secret."""
    if isinstance(value, Mapping):
        return {name: _without_secrets(held) for name, held in value.items() if not SECRET.search(name)}
    if isinstance(value, Set):
        return sorted(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without_secrets(held) for held in value]
    if isinstance(value, datetime):
        return clock.iso(value)
    return str(value) if isinstance(value, Decimal) else value
