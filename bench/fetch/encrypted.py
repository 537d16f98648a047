"""The same bundle plain, and signed and encrypted, from S3; beside them `age -d` over files that are there already.

Where plaintext goes is memory, as in a pod.
"""

import re
import tempfile
from pathlib import Path

import pyrage
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.fetch import timing
from bench.fetch.bundle import Made
from bench.fetch.order import order
from bench.fetch.programs import program
from bench.fetch.servers import BUCKET, gateway, upload
from bench.fetch.timing import FETCHER, Run, Tool
from slipway.bundle.encrypt import encrypt
from slipway.bundle.sign import sign

GOAL_RATIO, GOAL_MIB = 0.9, 64
PLAIN, ENCRYPTED, RESOLVED, AGE = "plain fetch", "encrypted fetch", "resolve, signature verified", "age -d, no fetch"
_DECRYPTED = re.compile(r"files decrypted in ([0-9.]+) s")
_LOOP = """
cd "$1" && find . -name '*.age' | while read file; do
  mkdir -p "$3/${file%/*}" && "$0" -d -i "$2" -o "$3/${file%.age}" "$file" || exit
done
"""
_MEMORY = Path("/dev/shm")


def compare(made: Made, base: Path, mib: int, rounds: int) -> None:
    """Time the tools, and print the table."""
    sealed = _sealed(made, base)
    with gateway(base / "s3") as endpoint, tempfile.TemporaryDirectory(dir=_MEMORY) as memory:
        plain = Path(memory) / "plain"
        upload(endpoint, made.directory, "plain")
        upload(endpoint, sealed.directory, "sealed")
        runs = timing.in_turn(_tools(endpoint, made, sealed, base, plain), [base / "root", plain], mib, rounds)
    print("\n" + timing.table(runs, mib))
    seconds = min(_decryption(run) for run in runs[ENCRYPTED])
    ratio = timing.best(runs[AGE]).seconds / seconds
    peak = max(run.peak_mib for run in runs[ENCRYPTED])
    reached = "reached" if ratio >= GOAL_RATIO and peak < GOAL_MIB else "missed"
    print(f"\ndecryption within the fetch: {seconds:.1f} s, {mib / seconds:.0f} MiB/s, {ratio:.0%} of age's own rate")
    print(f"goal: {GOAL_RATIO:.0%} and under {GOAL_MIB} MiB beside the volume: {reached}\n", flush=True)


def _sealed(made: Made, base: Path) -> Made:
    """Encrypted to a key, and signed with another."""
    identity = pyrage.x25519.Identity.generate()
    for folder in ("identities", "keys"):
        (base / folder).mkdir()
    (base / "identities" / "key").write_text(f"{identity}\n")
    found = encrypt(made.directory, out=base / "sealed", recipients=[str(identity.to_public())])
    key = ec.generate_private_key(ec.SECP256R1())
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    private = base / "private.pem"
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, none))
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (base / "keys" / "release.pem").write_bytes(public)
    sign(found.directory, key=private)
    return Made.of(found.directory)


def _tools(endpoint: str, made: Made, sealed: Made, base: Path, plain: Path) -> dict[str, Tool]:
    def told(bundle: Made, prefix: str, **source: object) -> dict[str, str]:
        return order(bundle, base, uri=f"s3://{BUCKET}/{prefix}", endpoint=endpoint, plain=plain, **source)

    promised = {"decryption": {"secretName": "keys"}}
    signed = {**promised, "signature": {"configMapName": "signers"}}
    key, target = str(base / "identities" / "key"), str(plain)
    return {
        PLAIN: Tool([[*FETCHER, "fetch"]], told(made, "plain")),
        RESOLVED: Tool([[*FETCHER, "resolve"]], told(sealed, "sealed", **signed)),
        ENCRYPTED: Tool([[*FETCHER, "fetch"]], told(sealed, "sealed", **promised)),
        AGE: Tool([["sh", "-c", _LOOP, str(program("age")), str(sealed.directory), key, target]]),
    }


def _decryption(run: Run) -> float:
    """What the fetcher says of its last step."""
    found = _DECRYPTED.search(run.said)
    assert found, run.said
    return float(found[1])
