"""Images as OCI layouts, made without a container engine: one layer with a record of a package."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from testbed.release.layouts import RELEASED, Layout

_OCI = "application/vnd.oci.image"


def all_layouts(folder: Path, version: str = "1.45.0") -> list[Layout]:
    """The images of a release, each with one Python package of a version."""
    return [image(folder / name, name, version) for name in RELEASED]


def image(folder: Path, name: str, version: str) -> Layout:
    """An image with one Python package."""
    record = f"Metadata-Version: 2.1\nName: packed-in-{name}\nVersion: {version}\n".encode()
    layer = _tar(f"opt/slipway/site/packed_in_{name.replace('-', '_')}-{version}.dist-info/METADATA", record)
    identity = "sha256:" + hashlib.sha256(layer).hexdigest()
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [identity]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _blob(folder, json.dumps(config).encode(), f"{_OCI}.config.v1+json"),
        "layers": [_blob(folder, gzip.compress(layer, mtime=0), f"{_OCI}.layer.v1.tar+gzip")],
    }
    top = _blob(folder, json.dumps(manifest).encode(), f"{_OCI}.manifest.v1+json")
    top["annotations"] = {"org.opencontainers.image.ref.name": "released"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return Layout(name, folder, len(layer))


def _tar(path: str, content: bytes) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        entry = tarfile.TarInfo(path)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def _blob(folder: Path, content: bytes, kind: str) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / digest).write_bytes(content)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}
