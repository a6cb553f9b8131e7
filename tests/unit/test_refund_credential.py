"""SecurityCredential: the initiator's password, readable by the provider alone."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from payments.security_credential import CertificateUnusable, encrypt, read_certificate


def certificate_of(key: CertificateIssuerPrivateKeyTypes) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def test_the_owner_of_the_key_reads_the_password_and_each_credential_differs() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = certificate_of(key)
    credentials = {encrypt("Safaricom999!*!", certificate) for _ in range(2)}
    assert len(credentials) == 2
    for credential in credentials:
        assert key.decrypt(base64.b64decode(credential), padding.PKCS1v15()) == b"Safaricom999!*!"


@pytest.mark.parametrize("text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_is_named(text: str) -> None:
    with pytest.raises(CertificateUnusable, match="MPESA_CERTIFICATE is no certificate"):
        encrypt("password", text)


def test_a_key_that_is_not_rsa_is_named() -> None:
    with pytest.raises(CertificateUnusable, match="no RSA key"):
        encrypt("password", certificate_of(ec.generate_private_key(ec.SECP256R1())))


def test_a_setting_is_the_text_or_the_name_of_a_file(tmp_path: Path) -> None:
    text = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n"
    file = tmp_path / "production.cer"
    file.write_text(text)
    assert read_certificate(text) == read_certificate(text.replace("\n", "\\n")) == read_certificate(str(file)) == text
    with pytest.raises(CertificateUnusable, match="cannot be read"):
        read_certificate(str(tmp_path / "gone.cer"))
