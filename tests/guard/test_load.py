"""How loaded a server is, from its counters: the rows that were measured, and what must hold of any counters."""

import time
from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slipway.guard import load, model_config
from slipway.guard.load import Gauges, Sample
from slipway.guard.model_config import Execution
from slipway.guard.tally import Own, Tally

SINGLE = Execution(instances=2, batch=1)
BATCHING = Execution(instances=1, batch=8)


def page(pending: float | None = 0, version: str = "1", model: str = "m", **counters: float) -> str:
    """Metrics as Triton writes them."""
    names = {"succeeded": "request_success", "failed": "request_failure", "queue_us": "queue_duration_us"}
    lines = [
        f'nv_inference_{names.get(name, name)}{{model="{model}",version="{version}"}} {value}'
        for name, value in counters.items()
    ]
    if pending is not None:
        lines.append(f'nv_inference_pending_request_count{{model="{model}",version="{version}"}} {pending}')
    return "\n".join(["# HELP nv_inference_count Number", *lines, ""])


def read(counters: Mapping[str, float]) -> str:
    others = {name: value for name, value in counters.items() if name != "pending"}
    return page(counters.get("pending", 0), "1", "m", **others)


def sample(at: float, text: str, golden: int = 0, golden_seconds: float = 0) -> Sample:
    return Sample(at, load.parse(text), Own(golden, golden_seconds))


def busy(*, requests: float, batch: float, seconds: float = 0.02, pending: float = 0) -> str:
    """Counters after so many requests, of which each execution took `batch`, and `seconds`."""
    return page(
        succeeded=requests,
        count=requests,
        exec_count=requests / batch,
        compute_infer_duration_us=requests * seconds * 1e6,
        pending=pending,
    )


def of(
    before: str,
    after: str,
    models: Mapping[str, Execution],
    *,
    seconds: float = 30,
    golden: int = 0,
    golden_seconds: float = 0,
) -> Gauges:
    shown = load.gauges([sample(0, before), sample(seconds, after, golden, golden_seconds)], models)
    assert shown is not None
    return shown


@pytest.mark.parametrize(
    ("a_second", "batch", "execution", "ratio"),
    [  # measured on 2.51, 20 ms a batch: reference rate, mean batch, what the load was of the capacity
        (22, 1, SINGLE, 0.22),
        (68, 1, SINGLE, 0.68),
        (96, 1, SINGLE, 0.96),
        (20, 1.07, BATCHING, 0.05),
        (116, 2.5, BATCHING, 0.29),
        (244, 5.2, BATCHING, 0.61),
        (356, 7.6, BATCHING, 0.89),
    ],
)
def test_the_ratio_is_the_load_that_was_offered_of_what_the_server_can_do(
    a_second: float, batch: float, execution: Execution, ratio: float
) -> None:
    shown = of(busy(requests=0, batch=batch), busy(requests=a_second * 30, batch=batch), {"m": execution})
    assert shown.ratio == pytest.approx(ratio, abs=0.01)


def test_where_nothing_is_batched_a_full_server_is_full_whatever_max_batch_size_says() -> None:
    text = {"max_batch_size": 8, "instance_group": [{"count": 1}]}
    execution = model_config.read(text).execution
    assert execution == Execution(instances=1, batch=1)
    assert of(busy(requests=0, batch=1), busy(requests=1500, batch=1), {"m": execution}).ratio == pytest.approx(1)


@pytest.mark.parametrize(
    ("config", "execution"),
    [
        ({}, Execution(1, 1)),
        ({"max_batch_size": 4, "dynamic_batching": {}, "instance_group": [{"count": 2}]}, Execution(2, 4)),
        ({"max_batch_size": 8, "dynamic_batching": {"preferred_batch_size": [2, 4]}}, Execution(1, 4)),
        ({"max_batch_size": 8, "sequence_batching": {}}, Execution(1, 8)),
        ({"instance_group": [{"count": 2, "gpus": [0, 1]}, {"count": 1, "passive": True}]}, Execution(4, 1)),
        ({"ensemble_scheduling": {"step": []}, "max_batch_size": 8}, Execution(0, 1)),
    ],
)
def test_what_a_server_can_do_at_once_is_in_the_models_configuration(
    config: dict[str, object], execution: Execution
) -> None:
    assert model_config.read(config).execution == execution


def test_a_backlog_is_how_long_the_queue_takes_in_full_batches() -> None:
    before, after = busy(requests=0, batch=8, pending=40), busy(requests=2000, batch=8, pending=40)
    assert of(before, after, {"m": BATCHING}).backlog_seconds == pytest.approx(40 / 8 * 0.02)
    assert of(before, after, {"m": BATCHING}).pending == 40


def test_a_backend_that_hangs_has_a_backlog_by_the_time_that_it_took_before() -> None:
    stands = busy(requests=500, batch=1, pending=100)
    shown = of(stands, stands, {"m": SINGLE})
    assert shown.ratio == 0
    assert shown.backlog_seconds == pytest.approx(100 * 0.02 / 2)


def test_a_server_without_the_gauge_has_its_queue_by_littles_law() -> None:
    before = page(succeeded=0, queue_us=0, pending=None)
    after = page(succeeded=1, queue_us=30e6, exec_count=1, count=1, compute_infer_duration_us=20_000, pending=None)
    assert of(before, after, {"m": Execution()}, seconds=5).backlog_seconds == pytest.approx(6 * 0.02)


def test_golden_requests_are_no_load_and_no_requests() -> None:
    before, after = busy(requests=10, batch=1), busy(requests=16, batch=1, seconds=2)
    took = (16 * 2 - 10 * 0.02) / 6  # each
    ratios = [of(before, after, {"m": SINGLE}, golden=n, golden_seconds=n * took).ratio for n in (0, 3, 6)]
    assert ratios == pytest.approx([ratios[0], ratios[0] / 2, 0])
    assert load.clients_requests(sample(0, before), sample(30, after, 6), "m") == 0
    assert load.clients_requests(sample(0, before), sample(30, after, 2), "m") == 4
    assert load.clients_requests(sample(0, before, 0), sample(30, after, 9), "m") == 0  # asked, and not counted yet


@pytest.mark.parametrize(
    ("clients", "golden", "batch", "ratio"),
    [
        # requests, and the seconds of each: of a server that does one at a time for thirty seconds
        ((6, 5.0), (24, 0.01), 1, 1.0),  # what read 0.2: a few long ones and many short golden ones
        ((3, 5.0), (24, 0.01), 1, 0.5),
        ((300, 0.01), (3, 5.0), 1, 0.1),  # and the other way round
        ((0, 0.0), (24, 1.0), 1, 0.0),
    ],
)
def test_golden_requests_are_taken_off_by_their_time_and_not_by_their_number(
    clients: tuple[int, float], golden: tuple[int, float], batch: int, ratio: float
) -> None:
    requests, seconds = clients[0] + golden[0], clients[0] * clients[1] + golden[0] * golden[1]
    after = page(succeeded=requests, count=requests, exec_count=requests, compute_infer_duration_us=seconds * 1e6)
    shown = of(
        page(succeeded=0),
        after,
        {"m": Execution(instances=1, batch=batch)},
        golden=golden[0],
        golden_seconds=golden[0] * golden[1],
    )
    assert shown.ratio == pytest.approx(ratio, abs=0.01)


def test_golden_requests_that_are_executed_alone_do_not_make_full_batches_look_half_empty() -> None:
    requests, micros = 10 * 8 + 30, (10 * 8 * 3 + 30 * 0.01) * 1e6
    after = page(exec_count=10 + 30, count=requests, succeeded=requests, compute_infer_duration_us=micros)
    assert of(page(succeeded=0), after, {"m": BATCHING}, golden=30, golden_seconds=0.3).ratio == pytest.approx(1)


def test_the_fastest_answer_says_how_long_the_work_on_a_question_is() -> None:
    tally = Tally()
    tally.ended("a")  # too slow, as a cold server is: nothing is said of its work
    for question, seconds in (("a", 2.0), ("a", 0.5), ("b", 0.1), ("a", 9.0)):
        tally.answered(question, seconds)
    tally.ended("a")
    assert tally.own == pytest.approx(Own(6, 2.0 + 0.5 + 0.1 + 0.5 + 0.5))
    assert tally.own + tally.own == pytest.approx(Own(12, 7.2))


def test_a_counter_that_restarts_goes_on_from_there_and_a_version_that_is_reloaded_hides_no_other() -> None:
    two = busy(requests=900, batch=1) + page(version="2", succeeded=600, count=600, exec_count=600)
    after = busy(requests=1500, batch=1) + page(version="2", succeeded=30, count=30, exec_count=30)
    assert load.clients_requests(sample(0, two), sample(30, after), "m") == 600 + 30


def test_of_several_models_the_largest_counts_and_an_ensemble_has_no_load_of_its_own() -> None:
    models = {"m": Execution(instances=0), "part": SINGLE, "rest": SINGLE}
    before = "".join(busy(requests=0, batch=1).replace('"m"', f'"{name}"') for name in models)
    counts = {"m": 3000, "part": 600, "rest": 2100}
    after = "".join(busy(requests=n, batch=1).replace('"m"', f'"{name}"') for name, n in counts.items())
    assert of(before, after, models).ratio == pytest.approx(0.7)


def test_the_ratio_is_of_thirty_seconds_and_of_what_there_is_before() -> None:
    samples = [sample(at, busy(requests=at * 50, batch=1)) for at in range(0, 61, 5)]
    quiet = [sample(at, busy(requests=60 * 50, batch=1)) for at in range(65, 96, 5)]
    ratios = [load.gauges([*samples, *quiet][:n], {"m": SINGLE}) for n in (1, 2, 7, 13, 16, 19, 20)]
    assert [shown and round(shown.ratio, 2) for shown in ratios] == [None, 0.5, 0.5, 0.5, 0.25, 0, 0]


@pytest.mark.parametrize("text", ["", "<html>", page(model="other", succeeded=3), "nv_inference_count{model="])
def test_a_page_that_does_not_speak_of_the_model_says_nothing_and_never_zero(text: str) -> None:
    assert load.gauges([sample(0, text), sample(5, text)], {"m": SINGLE}) is None
    assert load.page(None, None) == ""


COUNTS = st.fixed_dictionaries(
    {
        name: st.floats(0, 1e12)
        for name in ("succeeded", "failed", "count", "exec_count", "queue_us", "compute_infer_duration_us", "pending")
    }
)


@given(
    pages=st.lists(COUNTS, min_size=2, max_size=6),
    golden=st.integers(0, 50),
    golden_seconds=st.floats(0, 1e6),
    instances=st.integers(0, 4),
    batch=st.integers(1, 64),
)
@example(pages=[{"succeeded": 5.0}, {"succeeded": 1.0}], golden=3, golden_seconds=1.0, instances=1, batch=1)
def test_whatever_the_counters_do_a_ratio_is_a_part_and_no_count_goes_back(
    pages: list[dict[str, float]], golden: int, golden_seconds: float, instances: int, batch: int
) -> None:
    samples = [sample(5.0 * n, read(each), golden * n, golden_seconds * n) for n, each in enumerate(pages)]
    shown = load.gauges(samples, {"m": Execution(instances=instances, batch=batch)})
    assert shown is not None
    assert 0 <= shown.ratio <= 1
    assert shown.backlog_seconds >= 0
    assert all(load.clients_requests(a, b, "m") >= 0 for a, b in pairwise(samples))


def test_the_rate_is_of_clients_requests_to_the_model_that_they_ask() -> None:
    part = page(model="part", succeeded=900, count=900, exec_count=900, compute_infer_duration_us=1)
    both = {"m": SINGLE, "part": SINGLE}
    assert of(busy(requests=0, batch=1), busy(requests=330, batch=1) + part, both, golden=30).rate == 10
    assert of(busy(requests=0, batch=1), busy(requests=30, batch=1), {"m": SINGLE}, golden=31).rate == 0


@given(st.text(max_size=400))
@example('nv_inference_count{model="m",version="1"} NaN\nnv_inference_count{model="m",version="2"} -1\n')
@example('nv_inference_count{model="' + 'model="' * 5000 + "} 1")
def test_any_text_is_read_without_harm(text: str) -> None:
    assert all(value >= 0 for value in load.parse(text).values())


@pytest.mark.parametrize("unit", ['a,model="x"', '"} ', "} ", ",", '",model="', ',model="', "} 1", "}", "{", "x", "9"])
@pytest.mark.parametrize("end", ["", "} ", "} 1 2", '"} 1'])
def test_one_line_is_read_in_a_time_that_grows_with_its_length(unit: str, end: str) -> None:
    for beginning in ("", "{", '{model="', '{model="m"} ', "{" + 'a,model="x"' * 9_000):
        text = f"nv_inference_count{beginning}{unit * (200_000 // len(unit))}{end}\n"
        began = time.process_time()
        load.parse(text)
        assert time.process_time() - began < 0.5


def test_a_model_is_read_wherever_its_label_stands() -> None:
    text = "".join(
        f"nv_inference_count{labels} 7\n"
        for labels in ('{model="m"}', '{gpu="a,b",model="m",version="1"}', '{version="{}",model="m"}', '{no_model="m"}')
    )
    assert [model for _, model, _ in load.parse(text)] == ["m"] * 3


def test_the_page_is_what_prometheus_reads() -> None:
    shown = load.page(Gauges(ratio=0.25, backlog_seconds=0.5, pending=3, rate=1.5), 12)
    values = dict(line.split() for line in shown.splitlines() if not line.startswith("#"))
    assert values == {
        "slipway_load_ratio": "0.25",
        "slipway_backlog_seconds": "0.5",
        "slipway_pending": "3",
        "slipway_requests_per_second": "1.5",
        "slipway_requests_total": "12",
    }
