"""Mails over SMTP: a real conversation with a server on this machine, plain, with TLS, and with a password."""

from __future__ import annotations

import datetime
import email
import email.policy
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from apiflask import APIFlask
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import config
from auth import handlers, password_services
from tests import factories
from tests.threads import at_once
from utils import db, mail, outbox

HOST = "127.0.0.1"


class Postbox:
    """Takes every mail but those to a full box."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, to: str, _options: Any) -> str:
        if to.startswith("full"):
            return "452 4.2.2 mailbox full"
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        message = email.message_from_bytes(envelope.content or b"", policy=email.policy.default)
        self.taken.append({"to": envelope.rcpt_tos, "message": message, "tls": session.ssl is not None})
        return "250 taken"


@contextmanager
def serving(**options: Any) -> Iterator[tuple[Postbox, int]]:
    """Run a mail server for the length of the block."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    box = Postbox()
    controller = Controller(box, hostname=HOST, port=port, **options)
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of this machine, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    today = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = (tmp_path / "certificate.pem", tmp_path / "key.pem")
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def letter(to: str = "wanjiku@example.com") -> None:
    mail.send(key="letter-1", to=to, subject="Habari, Wanjiku", text="Karibu dukani \N{EN DASH} \N{GRINNING FACE}\n")


def test_the_mail_of_an_event_reaches_the_owner_over_smtp(
    app: APIFlask, make_user: Callable[..., factories.User]
) -> None:
    user = make_user()
    password_services.ask_for_reset(email=user.email)
    with serving() as (box, port), config.override(SMTP_URL=f"smtp://{HOST}:{port}"):
        outbox.deliver_due(handlers.HANDLERS)
    (taken,) = box.taken
    assert (taken["to"], taken["message"]["To"]) == ([user.email], user.email)
    assert "/reset-password?token=" in taken["message"].get_content()


def test_a_mail_arrives_as_it_was_written(app: APIFlask) -> None:
    with serving() as (box, port), config.override(SMTP_URL=f"smtp://{HOST}:{port}"):
        letter()
    (taken,) = box.taken
    message = taken["message"]
    assert (message["Subject"], message["Message-ID"]) == ("Habari, Wanjiku", "<letter-1@duka.invalid>")
    assert message.get_content().strip() == "Karibu dukani \N{EN DASH} \N{GRINNING FACE}"


def test_a_link_stays_whole_in_the_file_too(app: APIFlask) -> None:
    link = "https://duka.example/reset-password?token=" + "x" * 80
    mail.send(key="letter-1", to="wanjiku@example.com", subject="Habari", text=f"Karibu:\n\n{link}\n\nDuka\n")
    assert f"\n{link}\n" in (config.current().INSTANCE_DIR / "mail" / "letter-1.eml").read_text()


def test_two_workers_that_write_the_same_mail_leave_one_whole_file(app: APIFlask) -> None:
    settings = config.current()

    def write() -> None:
        with app.app_context():
            letter()

    for _ in range(20):
        assert at_once(*[write] * 4) == [None] * 4
    (path,) = (settings.INSTANCE_DIR / "mail").iterdir()
    assert (path.name, path.read_text().endswith("\n")) == ("letter-1.eml", True)


def test_a_file_that_cannot_be_written_leaves_no_draft(app: APIFlask) -> None:
    folder = config.current().INSTANCE_DIR / "mail"
    (folder / "letter-1.eml").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        letter()
    assert [path.name for path in folder.iterdir()] == ["letter-1.eml"]


def test_a_full_mailbox_is_tried_again_later(app: APIFlask, make_user: Callable[..., factories.User]) -> None:
    user = make_user(username="full")
    password_services.ask_for_reset(email=user.email)
    with serving() as (_, port), config.override(SMTP_URL=f"smtp://{HOST}:{port}"):
        outbox.deliver_due(handlers.HANDLERS)
    event = db.reading().fetch_one("SELECT done_at, dead_at, due_at, last_error FROM outbox_events")
    assert (event["done_at"], event["dead_at"]) == (None, None)
    assert event["due_at"] is not None
    assert "452" in event["last_error"]


def test_tls_and_the_password_of_the_url_are_used(
    app: APIFlask, tls: ssl.SSLContext, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    offered: list[tuple[bytes, bytes]] = []

    def look(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        offered.append((data.login, data.password))
        return AuthResult(success=True)

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    options = {"tls_context": tls, "require_starttls": True, "authenticator": look, "auth_required": True}
    with serving(**options) as (box, port), config.override(SMTP_URL=f"smtp+tls://duka:p%40ss@{HOST}:{port}"):
        letter()
    assert offered == [(b"duka", b"p@ss")]
    assert box.taken[0]["tls"]


def test_a_server_that_nobody_vouches_for_gets_no_mail(app: APIFlask, tls: ssl.SSLContext) -> None:
    with (
        serving(tls_context=tls) as (box, port),
        config.override(SMTP_URL=f"smtp+tls://{HOST}:{port}"),
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        letter()
    assert box.taken == []
