"""Signatures by cosign, with a key that whoever releases gives: none is ever made here.

Nothing is written to a public transparency log: the key alone vouches, and a release needs no other service.
"""

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from testbed.release.programs import program
from testbed.say import MissingError
from testbed.shell import CommandError, run

SBOM: Final = "cyclonedx"
_SIGNATURE: Final = "https://sigstore.dev/cosign/sign/v1"
_OFFLINE: Final = ("--use-signing-config=false", "--tlog-upload=false", "--yes")
_NONE: Final = ("no signatures found", "no matching attestations", "no attestations found", "none of the attestations")


@dataclass(frozen=True)
class Key:
    """A private key, as a file or as cosign names one in a KMS, and its public half as a file."""

    private: str
    public: Path

    @classmethod
    def given(cls, private: str, public: Path) -> Self:
        """The caller's key; its public half is written to `public`."""
        if not private:
            raise MissingError(
                "KEY is not set: name the private key that signs, a file of `cosign generate-key-pair` or one in a KMS."
            )
        if "://" not in private and "COSIGN_PASSWORD" not in os.environ:
            raise MissingError(f"COSIGN_PASSWORD is not set: it opens the key {private}; empty where that has none.")
        public.write_text(run(program("cosign"), "public-key", f"--key={private}"))
        return cls(private, public)

    def sign(self, reference: str) -> bool:
        """Sign what a registry has under a digest, unless this key has. Returns whether it was signed now."""
        # cosign counts the SBOM's attestation as a signature of the image, too.
        if any(each["critical"]["type"] == _SIGNATURE for each in json.loads(self._found("verify", reference) or "[]")):
            return False
        self._write("sign", reference)
        return True

    def sign_file(self, path: Path) -> None:
        """Put a signature beside a file: its own name and `.sigstore.json`."""
        self._write("sign-blob", f"--bundle={path}.sigstore.json", str(path))

    def attest(self, reference: str, sbom: Path) -> None:
        """Put a signed SBOM beside an image."""
        self._write("attest", f"--type={SBOM}", f"--predicate={sbom}", reference)

    def attested(self, reference: str) -> dict[str, Any] | None:
        """The SBOM beside an image that this key has signed."""
        if (found := self._found("verify-attestation", f"--type={SBOM}", reference)) is None:
            return None
        statement = json.loads(base64.b64decode(json.loads(found.splitlines()[0])["payload"]))
        return dict(statement["predicate"])

    def _found(self, command: str, *argv: str) -> str | None:
        try:
            return run(program("cosign"), command, f"--key={self.public}", "--insecure-ignore-tlog", *argv)
        except CommandError as problem:
            if any(words in str(problem) for words in _NONE):
                return None
            raise

    def _write(self, command: str, *argv: str) -> None:
        run(program("cosign"), command, f"--key={self.private}", *_OFFLINE, *argv)
