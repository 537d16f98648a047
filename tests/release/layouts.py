"""Images as OCI layouts, made without a container engine: one layer with a record of a package."""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from testbed.release.layouts import RELEASED, Layout

_OCI = "application/vnd.oci.image"
_NAMES = "org.opencontainers.image"


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
    top["annotations"] = {f"{_NAMES}.ref.name": "released"}
    _write_index(folder, top)
    return Layout(name, folder, len(layer))


def saved(target: Path, *, oci: bool) -> bytes:
    """An image as `docker save` writes it, before docker 25 or since. Returns its layer."""
    layer = _tar("opt/file", b"content" * 100)
    identity = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [f"sha256:{identity}"]}}
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        parts = [_blob(folder, config.encode(), f"{_OCI}.config.v1+json"), _blob(folder, layer, f"{_OCI}.layer.v1.tar")]
        paths = ["blobs/sha256/" + part["digest"].partition(":")[2] for part in parts]
        names = paths if oci else ["config.json", f"{identity}/layer.tar"]
        index = [{"Config": names[0], "RepoTags": ["slipway.dev/operator:0"], "Layers": [names[1]]}]
        (folder / "manifest.json").write_text(json.dumps(index))
        if oci:
            manifest = {
                "schemaVersion": 2,
                "mediaType": f"{_OCI}.manifest.v1+json",
                "config": parts[0],
                "layers": parts[1:],
            }
            top = _blob(folder, json.dumps(manifest).encode(), f"{_OCI}.manifest.v1+json")
            top["annotations"] = {"io.containerd.image.name": "slipway.dev/operator:0", f"{_NAMES}.ref.name": "0"}
            _write_index(folder, top)
        else:
            (folder / identity).mkdir()
            for path, name in zip(paths, names, strict=True):
                (folder / path).rename(folder / name)
            shutil.rmtree(folder / "blobs")
        with tarfile.open(target, "w") as archive:
            archive.add(folder, arcname="")
    return layer


def _write_index(folder: Path, top: dict[str, Any]) -> None:
    index = {"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json", "manifests": [top]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


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
