"""`python -m testbed COMMAND`."""

import shutil
import sys
from pathlib import Path

import click
from rich.table import Table

from testbed import cluster as clusters
from testbed import demo as demos
from testbed import demo_canary as canaries
from testbed import demo_update as updates
from testbed import engine, images, installing, resource_metrics, stages, tools
from testbed.gateway import envoy
from testbed.gitops import argocd
from testbed.keda import installation as keda
from testbed.release import layouts, programs
from testbed.release.files import Command
from testbed.release.publish import Release
from testbed.release.registry import Registry, ReleaseError
from testbed.release.signing import Key
from testbed.say import MissingError, console, step
from testbed.shell import CACHE, ROOT, CommandError

E2E_CLUSTER = "slipway-e2e"
CLUSTERS = (demos.CLUSTER, E2E_CLUSTER)


@click.group()
def main() -> None:
    """Brings up what the project needs on this machine, and takes it down again."""


@main.command("tools")
@click.argument("names", nargs=-1)
def build_tools(names: tuple[str, ...]) -> None:
    """Build the programs that are absent (all, or those named) and say where they are."""
    for program in names or [program for recipe in tools.RECIPES for program in recipe.programs]:
        tools.find(program)
    for recipe in () if names else programs.RECIPES:
        tools.ensure(recipe)
    step(f"programs are in {tools.links()}")


@main.command("story-tools")
@click.option("--keda", "for_keda", is_flag=True, help="Those of the story that scales by KEDA, and no others.")
def build_story_tools(for_keda: bool) -> None:
    """Build what few stories need, for gateways, GitOps and a release: beside stories that run it would starve them."""
    for recipe in keda.RECIPES if for_keda else (envoy.RECIPE, argocd.RECIPE, *programs.RECIPES):
        tools.ensure(recipe)


@main.command("engine")
def have_engine() -> None:
    """Have a container engine that answers, or say what is missing."""
    engine.ensure()


@main.command("stages")
@click.option("--keep", is_flag=True, help="Leave the cluster of the stories for a look.")
def run_stages(keep: bool) -> None:
    """Run all of `make test`, and say at the end where the time went."""
    done = stages.run_all(keep=keep)
    click.echo("\nwhere the time went: CPU of its own processes; of a folder's tests, clock over all workers")
    click.echo("\n".join(stages.rows(done)))
    sys.exit(next((stage.code for stage in done if stage.code), 0))


@main.command("images")
def build_images() -> None:
    """Build the images that are absent and print their names and sizes."""
    engine.ensure()
    table = Table("image", "MB", "of them its own")
    base = images.base_image()
    table.add_row(base, str(images.megabytes(base)), "")
    for reference in images.build_all().values():
        size = images.megabytes(reference)
        table.add_row(reference, str(size), str(size - images.megabytes(base)))
    console.print(table)


@main.command("release")
@click.option("--registry", "place", required=True, help="HOST:PORT[/PATH].")
@click.option("--key", default="", help="Private key that signs.")
@click.option("--address", default="", help="Where dist/ will be published, for krew's manifest: https://…")
def publish(place: str, key: str, address: str) -> None:
    """Have images, charts, SBOMs and signatures of this version in a registry, and say what is there."""
    folder = ROOT / "dist"
    folder.mkdir(exist_ok=True)
    key_of = Key.given(key, folder / "cosign.pub")
    release = Release(Registry.named(place), key_of, folder, command=Command(address))
    engine.ensure()
    table = Table("released", "MB to pull", "MB unpacked", "packages", "", title=f"Slipway {release.version}")
    table.columns[0].overflow = "fold"  # whole, for whoever copies it
    for each in release.publish(layouts.all_layouts()):
        unpacked = f"{each.unpacked_bytes / 1e6:.0f}" if each.unpacked_bytes else ""
        state = "pushed" if each.pushed else "was there"
        table.add_row(each.reference, f"{each.compressed_bytes / 1e6:.1f}", unpacked, f"{each.packages or ''}", state)
    console.print(table)
    step(f"manifests, values with these digests, the command, SBOMs and the public key are in {folder}")
    if not address:
        step("there is no manifest for krew: ADDRESS says where these files will be published")


@main.command()
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
def context(name: str, folder: Path) -> None:
    """Lay out the build context of image NAME in FOLDER, for `docker build` by hand."""
    alone = {image.name: image for image in (images.trainer_image(), images.console_image())}
    there = alone if name in alone else alone | {image.name: image for image in images.all_images()}
    if name not in there:
        raise click.BadParameter(f"{name}: one of {', '.join(there)}")
    there[name].context(folder)
    step(f"now: docker build --tag {name} {folder}")


@main.command()
@click.option("--name", default=demos.CLUSTER, show_default=True, help="Name of the cluster.")
@click.option("--with-gateway", is_flag=True, help="Have Envoy Gateway in it, too.")
def up(name: str, with_gateway: bool) -> None:
    """Have a cluster with Slipway, an S3 server and metrics."""
    cluster = clusters.up(name)
    installing.install(cluster)
    resource_metrics.install(cluster)
    if with_gateway:
        there = envoy.install(cluster)
        step(f"Gateway {there.namespace}/{there.name}: in the cluster at {there.address}")
    step(f"KUBECONFIG={cluster.kubeconfig}")


@main.command()
@click.option("--name", "names", multiple=True, default=CLUSTERS, show_default=True, help="Which clusters.")
@click.option("--with-engine", is_flag=True, help="Stop the container engine too if it was started here.")
def down(names: tuple[str, ...], with_engine: bool) -> None:
    """Delete the clusters that were made here."""
    for name in names:
        clusters.down(name)
    if with_engine:
        engine.stop()


@main.command()
def demo() -> None:
    """Train a model, serve it on a real cluster and ask it."""
    demos.demo()


@main.command("demo-canary")
def demo_canary() -> None:
    """Move live requests to a better model on evidence, and send one that drifted home."""
    canaries.demo()


@main.command("demo-update")
def demo_update() -> None:
    """Retrain on a month's data in the cluster, and have what is no worse take over; a bad month changes nothing."""
    updates.demo()


@main.command()
@click.option("--with-cache", is_flag=True, help="Remove the built programs, too.")
def clean(with_cache: bool) -> None:
    """Take away clusters and images, and the engine if it was started here."""
    for name in CLUSTERS:
        clusters.down(name)
    images.remove_all()
    engine.stop()
    if with_cache:
        shutil.rmtree(CACHE, ignore_errors=True)
    else:
        step(f"built programs stay in {CACHE} (`make clean CACHE_TOO=yes` removes them)")


if __name__ == "__main__":
    try:
        main()
    except (MissingError, CommandError, ReleaseError) as problem:
        console.print(f"{problem}", style="red", markup=False)
        sys.exit(1)
