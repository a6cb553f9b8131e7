"""SecurityCredential: the initiator's password, as only the provider can read it.

RSA with PKCS#1 v1.5, for the public key in the provider's certificate. The password lives 90 days there.
"""

from __future__ import annotations

import base64
from pathlib import Path

import config

PEM = "-----BEGIN CERTIFICATE-----"

# cryptography is imported inside the function: hardly a command or a request needs it, and it takes its time to load.


class CertificateUnusable(Exception):
    """The certificate cannot be read, or holds no RSA key; the text says which."""


def encrypt(password: str, certificate: str) -> str:
    """Return the credential of a password for a certificate in PEM. Raises CertificateUnusable."""
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.x509 import load_pem_x509_certificate

    try:
        key = load_pem_x509_certificate(certificate.encode()).public_key()
    except ValueError as error:
        raise CertificateUnusable(f"MPESA_CERTIFICATE is no certificate in PEM: {error}") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise CertificateUnusable("MPESA_CERTIFICATE holds no RSA key")
    return base64.b64encode(key.encrypt(password.encode(), padding.PKCS1v15())).decode()


def read_certificate(setting: str) -> str:
    """Return the certificate that the setting holds, or the file that it names. Raises CertificateUnusable."""
    if PEM in setting:
        return setting.replace("\\n", "\n")  # an environment file has it in one line
    try:
        return Path(setting).read_text()
    except (OSError, ValueError) as error:
        raise CertificateUnusable(f"MPESA_CERTIFICATE cannot be read: {error}") from error


def is_set_up() -> bool:
    """Tell whether the shop has an initiator, and so can send money back through M-Pesa."""
    settings = config.current()
    named = settings.MPESA_INITIATOR_NAME and settings.MPESA_INITIATOR_PASSWORD
    return bool(named and (settings.MPESA_CERTIFICATE or settings.uses_simulator))
