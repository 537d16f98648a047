"""From `python train.py` to an answer, as examples/README.md says, each step timed: by an example's own clients."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table

from e2e.space import Space
from testbed.say import console
from testbed.served import STORE_KEYS, STORE_PORT
from testbed.shell import run
from testbed.training import EXAMPLES, train, trainable
from tests.examples.answers import RIGHT
from tests.examples.clients import ask

SLIPWAY = Path(sys.executable).with_name("slipway")
HEADINGS = ("example", "train and pack, s", "push, s", "waited for Ready, s", "both clients, s", "in all, min")
TITLE = "From `python train.py` to an answer. Each gets Ready while the next ones train: that is in the minutes alone"
READY_SECONDS = 300
"""They start beside each other, and beside other stories."""


@dataclass
class Watch:
    """The seconds of each step of one example, in their order; the clients' answer is the last."""

    began: float = field(default_factory=time.monotonic)
    ended: float = 0
    steps: list[float] = field(default_factory=list)

    @contextmanager
    def step(self) -> Iterator[None]:
        before = time.monotonic()
        yield
        self.ended = time.monotonic()
        self.steps.append(self.ended - before)

    @property
    def minutes(self) -> float:
        """From the first step to the end of the last; what it waited for others in between is in it."""
        return (self.ended - self.began) / 60


def test_every_example_answers_its_own_clients_within_minutes(space: Space, tmp_path: Path) -> None:
    names = [name for name in trainable() if name in RIGHT]
    watches = {}
    with space.store.kubectl.forward("service/s3", STORE_PORT) as ports:
        environment = {**STORE_KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports[STORE_PORT]}"}
        for name in names:
            # given: a bundle that its train.py wrote, where its manifest says
            watches[name] = _trained_and_pushed(name, tmp_path / name, environment)

            # when: the manifest is applied as it is, while the next example trains
            space.kubectl("apply", "--filename", EXAMPLES / name / "manifest.yaml")

    # then: both clients print the same right answer
    for name, watch in watches.items():
        _answers(space, name, watch)
    console.print(_table(watches))


def _trained_and_pushed(name: str, bundle: Path, environment: Mapping[str, str]) -> Watch:
    watch = Watch()
    with watch.step():
        train(name, bundle)
    with watch.step():
        run(SLIPWAY, "push", bundle, f"s3://models/{name}/1", env=environment)
    return watch


def _answers(space: Space, name: str, watch: Watch) -> None:
    with watch.step():
        space.until_ready(name, seconds=READY_SECONDS)
    with watch.step(), space.kubectl.forward(f"service/{name}", 8000, 8001) as ports:
        rest, grpc = ask(name, ports[8000], ports[8001])
    assert rest == grpc
    RIGHT[name](rest)


def _table(watches: Mapping[str, Watch]) -> Table:
    table = Table(*HEADINGS, title=TITLE)
    for name, watch in watches.items():
        table.add_row(name, *(f"{seconds:.1f}" for seconds in watch.steps), f"{watch.minutes:.1f}")
    return table
