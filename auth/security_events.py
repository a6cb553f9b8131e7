"""Security events: what the owner of an account is told of, and what stands in the audit log, in one step."""

from __future__ import annotations

from utils import audit, db, outbox


def record_tx(tx: db.Tx, topic: str, *, user_id: int, by_owner: bool, **facts: str | int | None) -> None:
    """Write a security event of an account down, and have it told.

    `by_owner` says whether the one who did it has proved to be the owner of the account; nobody is named otherwise.
    The facts go to whoever is told, not into the audit log, from which nothing personal could be deleted again.
    """
    actor_id = user_id if by_owner else None
    audit.record_tx(tx, action=topic, actor_id=actor_id, target=f"user:{user_id}")
    outbox.stage_tx(tx, topic, user_id=user_id, **facts)
