"""Keys for tests."""

from pathlib import Path

import pyrage
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

PEM = serialization.Encoding.PEM


def key(folder: Path, name: str = "key", password: bytes | None = None) -> Path:
    """A private EC key, and its public one beside it."""
    made = ec.generate_private_key(ec.SECP256R1())
    secret = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(made.private_bytes(PEM, serialization.PrivateFormat.PKCS8, secret))
    public.write_bytes(made.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private


def identity(file: Path) -> str:
    """A secret key of age's in a file, as age-keygen writes it; its public one."""
    made = pyrage.x25519.Identity.generate()
    file.write_text(f"# created: today\n# public key: {made.to_public()}\n{made}\n")
    return str(made.to_public())
