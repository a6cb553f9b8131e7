"""The simulated provider's key pair: what SecurityCredential is encrypted for.

Owns `instance/simulator/`: the private key and its self-signed certificate, made when first asked for and kept, so that
a shop and a simulator that are two processes agree.
"""

import base64
import functools
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import config

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

# cryptography is imported inside the functions: every command of the shop imports this module, hardly one needs a key.

KEYS_FOLDER: Final = config.INSTANCE / "simulator"
KEY_BITS = 2048
LIFE = timedelta(days=3650)


def simulator_certificate(folder: Path = KEYS_FOLDER) -> str:
    """Return the provider's certificate in PEM, for a shop in development."""
    return (_kept_keys(folder) / "certificate.pem").read_text()


def decrypt_credential(credential: str, folder: Path) -> str | None:
    """Return what the credential holds, or None when it was not encrypted for this key.

    Raises ValueError when it cannot be a credential at all.
    """
    from cryptography.hazmat.primitives.asymmetric import padding

    encrypted = base64.b64decode(credential, validate=True)
    if len(encrypted) != KEY_BITS // 8:
        raise ValueError("not as long as the key")
    try:
        return _private_key(folder).decrypt(encrypted, padding.PKCS1v15()).decode()
    except ValueError:  # wrong padding, or bytes that are no text
        return None


@functools.cache
def _private_key(folder: Path) -> "RSAPrivateKey":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key((_kept_keys(folder) / "key.pem").read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


def _kept_keys(folder: Path) -> Path:
    """Return the folder with both files in it; the first of several processes that make them at once wins."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))  # nobody else may look in
        try:
            _write_keys(draft)
            os.rename(draft, folder)
        except OSError:
            shutil.rmtree(draft)
            if not folder.exists():
                raise
    return folder


def _write_keys(folder: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Daraja simulator")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFE)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
