"""How fast a bundle comes on this machine, beside plain tools: python -m bench.fetch

From S3; signed and encrypted; from a registry. Ours compares every byte and lays out. Each tool's best round counts.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from bench.fetch import bundle, encrypted, from_registry, from_s3
from bench.machine import load_average, machine

WHAT: dict[str, Callable[[bundle.Made, Path, int, int], None]] = {
    "s3": from_s3.compare,
    "encrypted": encrypted.compare,
    "registry": from_registry.compare,
}


@click.command()
@click.option("--mib", default=2048, show_default=True, help="Size of the bundle.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--what", type=click.Choice(list(WHAT)), multiple=True, help="What is compared; without, all of it.")
@click.option("--where", type=click.Path(path_type=Path), help="Folder for the data; removed afterwards.")
def main(mib: int, rounds: int, what: tuple[str, ...], where: Path | None) -> None:
    """Time fetches beside plain tools."""
    print(f"{machine()}; load average {load_average()}")
    with tempfile.TemporaryDirectory(dir=where, prefix="bench-fetch-") as folder:
        made = bundle.make(Path(folder) / "made", mib)
        for name in what or WHAT:
            print(f"\n## {name}\n")
            with tempfile.TemporaryDirectory(dir=folder) as base:
                WHAT[name](made, Path(base), mib, rounds)
    print(f"load average at the end {load_average()}")


if __name__ == "__main__":
    main()
