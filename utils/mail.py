"""Mails: over SMTP when `SMTP_URL` is set, else as files under `instance/mail/`. The worker sends them, after COMMIT.

The key names the mail for good: the same key sent twice (a handler that runs again) is the same Message-ID, and the
same file.
"""

from __future__ import annotations

import os
import smtplib
import ssl
import tempfile
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

import config
from utils import clock, db, log, trace

logger = log.get_logger(__name__)

# Lines as long as SMTP lets them be: a link that is written on two lines is not one that can be opened.
POLICY = policy.default.clone(max_line_length=998)
SENDER = "Duka <no-reply@duka.invalid>"


def send(*, key: str, to: str, subject: str, text: str) -> None:
    """Send one mail. Raises OSError or smtplib.SMTPException when the server does not take it."""
    db.assert_no_transaction()
    message = EmailMessage(POLICY)
    message["From"] = SENDER
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = f"<{key}@duka.invalid>"
    message["X-Request-ID"] = trace.request_id()
    message.set_content(text)
    url = config.current().SMTP_URL
    if url:
        _over_smtp(url, message)
    else:
        _as_file(key, message)
    logger.info("mail sent", mail=key)


def _over_smtp(url: str, message: EmailMessage) -> None:
    parts = urlsplit(url)
    host, port = parts.hostname or "localhost", parts.port or 0
    with (
        smtplib.SMTP_SSL(host, port, timeout=20, context=ssl.create_default_context())
        if parts.scheme == "smtps"
        else smtplib.SMTP(host, port, timeout=20)
    ) as server:
        if parts.scheme == "smtp+tls":
            server.starttls(context=ssl.create_default_context())  # smtplib's own would trust anybody
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)


def _as_file(key: str, message: EmailMessage) -> None:
    folder = config.current().INSTANCE_DIR / "mail"
    folder.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".", dir=folder)  # of one's own: two workers may be at the same mail
    try:
        with open(handle, "wb") as file:
            file.write(bytes(message))
        os.rename(draft, folder / f"{key}.eml")
    except OSError:
        os.unlink(draft)
        raise
