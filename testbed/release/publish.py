"""One release, from what is on this machine to what a registry has. What is there already is not pushed again.

Everything is looked at before anything is written: a version that the registry has with other content ends the release
with nothing changed. Charts come last, so that a chart that can be pulled names images that are there and signed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed import site
from testbed.release import charts, files, krew, sbom
from testbed.release.layouts import Layout
from testbed.release.registry import Registry, ReleaseError
from testbed.release.signing import Key
from testbed.say import working
from testbed.shell import ROOT


@dataclass(frozen=True)
class Released:
    """One image or chart that the registry has."""

    reference: str
    """REPOSITORY@DIGEST."""
    pushed: bool
    """Whether something of it, its signature included, came with this run."""
    compressed_bytes: int
    unpacked_bytes: int = 0
    packages: int = 0


@dataclass(frozen=True)
class Release:
    """A version on its way to a registry, with a folder for what people get beside it."""

    registry: Registry
    key: Key
    folder: Path
    version: str = site.project()["version"]
    charts: Path = ROOT / "charts"
    command: files.Command = files.EVERYBODY

    def publish(self, layouts: Sequence[Layout]) -> list[Released]:
        """Have all of it there."""
        if self.command.address:
            krew.check_address(self.command.address)
        images = {layout.name: f"{self.registry.repository(layout.name)}@{layout.digest()}" for layout in layouts}
        (self.folder / "values.yaml").write_text(charts.values_of(images))
        archives = {name: charts.package(name, images, self.folder, self.charts) for name in charts.CHARTS}
        self._insist_on_what_is_there(images, archives)
        released = [
            *(self._publish_image(layout, images[layout.name]) for layout in layouts),
            *(self._publish_chart(name, archive) for name, archive in archives.items()),
        ]
        files.write(archives, self.folder, self.key, self.version, self.command)
        return released

    def _insist_on_what_is_there(self, images: dict[str, str], archives: dict[str, Path]) -> None:
        """A version is released once: whoever has pulled it must find the same again."""
        others = [
            name
            for name, reference in images.items()
            if (there := self.registry.digest(name, self.version)) and not reference.endswith(there)
        ]
        others += [
            f"{charts.FOLDER}/{name}"
            for name, archive in archives.items()
            if (there := self._chart_digest(name)) and not charts.same(archive, self.registry, name, there)
        ]
        if others:
            raise ReleaseError(
                f"{self.registry.place} has version {self.version} of {', '.join(others)} with other content, and "
                "nothing was pushed: release a new version (pyproject.toml, both Chart.yaml) or to another registry."
            )

    def _publish_image(self, layout: Layout, reference: str) -> Released:
        with working(f"releasing image {layout.name}"):
            if missing := self.registry.digest(layout.name, self.version) is None:
                self.registry.push_image(layout.reference, layout.name, self.version)
            signed = self.key.sign(reference)
            bill = self.folder / f"{layout.name}.cdx.json"
            attested = self._attest(layout, reference, bill)
        size = self.registry.compressed_size(layout.name, reference.partition("@")[2])
        found = len(sbom.packages(bill))
        return Released(reference, missing or signed or attested, size, layout.unpacked_bytes, found)

    def _attest(self, layout: Layout, reference: str, bill: Path) -> bool:
        if there := self.key.attested(reference):
            bill.write_text(json.dumps(there))
            return False
        sbom.write(layout, self.version, bill)
        self.key.attest(reference, bill)
        return True

    def _publish_chart(self, name: str, archive: Path) -> Released:
        with working(f"releasing chart {name}"):
            if missing := (digest := self._chart_digest(name)) is None:
                self.registry.push_chart(archive, charts.FOLDER)
                digest = self._chart_digest(name)
            self._insist_on_ours(name, archive, digest)
            reference = f"{self.registry.repository(f'{charts.FOLDER}/{name}')}@{digest}"
            signed = self.key.sign(reference)
        return Released(reference, missing or signed, archive.stat().st_size)

    def _insist_on_ours(self, name: str, archive: Path, digest: str | None) -> None:
        """A tag is whoever's who may write to the registry: what is signed is looked at by its digest."""
        if digest is None or not charts.same(archive, self.registry, name, digest):
            raise ReleaseError(
                f"{self.registry.place} has another {charts.FOLDER}/{name} {self.version} than was pushed there, and "
                "it was not signed: see who else writes to that registry, and release a new version."
            )

    def _chart_digest(self, name: str) -> str | None:
        return self.registry.digest(f"{charts.FOLDER}/{name}", self.version)
