"""The mails about an account: what each says, and to whom it goes."""

from __future__ import annotations

from string import Template

LETTERS = {
    "account.locked": (
        "Somebody tries to guess your password",
        "Too many wrong passwords were tried for your account $username, so nobody can log in to it for a while.\n\n"
        "If that was you: wait, or ask for a new password. If not, there is nothing to do: nobody got in.",
    ),
}
"""Subject and text for each topic; what stands behind a $ is filled in."""


def write(topic: str, **facts: object) -> tuple[str, str]:
    """Return the subject and the text of a mail."""
    subject, text = LETTERS[topic]
    return subject, Template(text).substitute(facts) + "\n\nDuka\n"
