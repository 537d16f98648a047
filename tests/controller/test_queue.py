"""The work queue: earliest wish wins, one pair of hands a key, nothing lost."""

import asyncio
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.controller.fair_shares import Shares
from slipway.controller.queue import URGENT_IN_A_ROW, Backoff, Schedule, Taken, WorkQueue


def test_a_key_is_handed_out_when_it_is_due_and_not_before() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", at=5)

    assert schedule.take(now=4.9) is None
    assert schedule.take(now=5) == Taken("a", due=5)
    assert schedule.take(now=100) is None


@pytest.mark.parametrize(("wishes", "due"), [((5, 9), 5), ((9, 5), 5), ((7, 7), 7), ((9, 5, 1, 3), 1)])
def test_of_several_wishes_the_earliest_wins_and_all_are_met_with_one_pass(wishes: tuple[int, ...], due: int) -> None:
    schedule: Schedule[str] = Schedule()
    for at in wishes:
        schedule.add("a", at=at)

    assert len(schedule) == 1
    assert schedule.take(now=100) == Taken("a", due=due)
    schedule.done("a")
    assert schedule.take(now=100) is None


def test_keys_come_in_the_order_in_which_they_were_due() -> None:
    schedule: Schedule[str] = Schedule()
    for key, at in (("late", 3), ("early", 1), ("middle", 2)):
        schedule.add(key, at=at)

    taken = [schedule.take(now=10) for _ in range(3)]

    assert [each.key for each in taken if each] == ["early", "middle", "late"]


def test_a_key_that_is_wanted_while_held_is_handed_out_again_only_when_let_go() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", at=1)
    schedule.take(now=1)
    schedule.add("a", at=2)

    assert schedule.take(now=10) is None
    schedule.done("a")
    assert schedule.take(now=10) == Taken("a", due=2)


def test_what_is_urgent_goes_before_what_has_waited_longer() -> None:
    schedule: Schedule[str] = Schedule()
    for at, key in enumerate(("first", "second", "serves")):
        schedule.add(key, at=at)
    schedule.add("serves", at=7, urgent=True)

    assert schedule.take(now=6.9) == Taken("first", due=0)
    assert schedule.take(now=7) == Taken("serves", due=7, urgent=True)
    schedule.done("serves")
    assert schedule.take(now=100) == Taken("second", due=1)
    assert schedule.take(now=100) is None  # both wishes for it were met with one pass


@pytest.mark.parametrize(("urgent", "ordinary"), [(100, 100), (100, 1), (1, 100), (0, 100), (100, 0)])
def test_neither_lane_keeps_the_other_waiting(urgent: int, ordinary: int) -> None:
    schedule: Schedule[str] = Schedule()
    for number in range(urgent):
        schedule.add(f"u{number}", at=1, urgent=True)
    for number in range(ordinary):
        schedule.add(f"o{number}", at=0)

    order = "".join("u" if taken.urgent else "o" for _ in range(urgent + ordinary) if (taken := schedule.take(now=2)))

    turn = "u" * URGENT_IN_A_ROW + "o"
    turns = min(urgent // URGENT_IN_A_ROW, ordinary)  # as long as both are wanted
    rest = "u" * (urgent - turns * URGENT_IN_A_ROW) + "o" * (ordinary - turns)
    assert order == turn * turns + rest


def test_a_postponed_key_is_handed_out_no_sooner_whatever_is_wished_meanwhile() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", at=1)
    schedule.take(now=1)
    schedule.add("a", at=2, urgent=True)  # while it is worked on
    schedule.postpone("a", until=30)
    schedule.add("a", at=30)
    schedule.done("a")
    for at in (3, 4, 40):
        schedule.add("a", at=at, urgent=bool(at % 2))

    assert schedule.next_at() == 30
    assert schedule.take(now=29.9) is None
    assert schedule.take(now=30) == Taken("a", due=30, urgent=True)
    schedule.done("a")
    schedule.add("a", at=31)
    assert schedule.take(now=31) == Taken("a", due=31)  # once handed out it is as any other


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "urgent"]), st.sampled_from("abc"), st.integers(0, 20)),
        st.tuples(st.just("take"), st.just(""), st.integers(0, 20)),
        st.tuples(st.just("done"), st.sampled_from("abc"), st.just(0)),
    ),
    max_size=60,
)


@given(OPERATIONS)
def test_no_key_is_ever_held_twice_and_no_wish_is_lost(operations: list[tuple[str, str, int]]) -> None:
    schedule: Schedule[str] = Schedule()
    wanted: dict[str, int] = {}  # the model: earliest wish by key
    lanes: dict[tuple[str, bool], int] = {}  # and by key and whether it is urgent
    held: set[str] = set()
    for what, key, at in operations:
        if what in ("add", "urgent"):
            lane = key, what == "urgent"
            schedule.add(key, at=at, urgent=what == "urgent")
            wanted[key] = min(at, wanted.get(key, at))
            lanes[lane] = min(at, lanes.get(lane, at))
        elif what == "take":
            possible = {k: due for k, due in wanted.items() if k not in held and due <= at}
            taken = schedule.take(now=at)
            assert (taken is None) == (not possible)
            if taken:
                free = (due for (k, urgent), due in lanes.items() if urgent == taken.urgent and k not in held)
                assert taken.due == lanes[taken.key, taken.urgent] == min(free)
                del wanted[taken.key]
                lanes = {lane: due for lane, due in lanes.items() if lane[0] != taken.key}
                held.add(taken.key)
        elif key in held:
            schedule.done(key)
            held.remove(key)
    for key in held:
        schedule.done(key)
    left = set()
    while taken := schedule.take(now=100):
        left.add(taken.key)
    assert left == set(wanted)


@pytest.mark.parametrize(("jitter", "expected"), [(1.0, [1, 2, 4, 8, 10, 10]), (0.0, [0.5, 1, 2, 4, 5, 5])])
def test_backoff_doubles_to_its_cap_within_its_jitter(jitter: float, expected: list[float]) -> None:
    backoff: Backoff[str] = Backoff(base_seconds=1, cap_seconds=10, jitter=lambda: jitter)

    assert [backoff.record_failure("a") for _ in expected] == expected
    assert backoff.attempt("a") == len(expected) + 1


def test_backoff_is_per_key_and_starts_again_after_a_success() -> None:
    backoff: Backoff[str] = Backoff(base_seconds=1, jitter=lambda: 1.0)
    backoff.record_failure("a")
    backoff.record_failure("a")

    assert backoff.record_failure("b") == 1
    backoff.forget("a")
    assert backoff.attempt("a") == 1
    assert backoff.record_failure("a") == 1


class FakeTime:
    """An event loop's clock that jumps to whatever is awaited next instead of waiting."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now, self._select = 0.0, loop._selector.select  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.now

    def select(self, timeout: float | None) -> object:
        ready = self._select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


@pytest.fixture
def in_no_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[], FakeTime]:
    def start() -> FakeTime:
        loop = asyncio.get_running_loop()
        fake = FakeTime(loop)
        monkeypatch.setattr(loop, "time", fake.time)
        monkeypatch.setattr(loop._selector, "select", fake.select)  # type: ignore[attr-defined]
        return fake

    return start


async def _take(queue: WorkQueue[str]) -> str:
    taken = await queue.get()
    assert taken
    return taken.key


async def test_a_burst_of_changes_is_one_piece_of_work_after_the_coalescing_time(
    in_no_time: Callable[[], FakeTime],
) -> None:
    clock = in_no_time()
    queue: WorkQueue[str] = WorkQueue(coalesce_seconds=0.1)
    for _ in range(50):
        queue.notice("a")

    assert await _take(queue) == "a"
    assert clock.now == pytest.approx(0.1)
    queue.done("a")
    assert len(queue) == 0


async def test_a_later_wish_does_not_put_off_an_earlier_one(in_no_time: Callable[[], FakeTime]) -> None:
    clock = in_no_time()
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", delay_seconds=60)
    queue.add("a", delay_seconds=5)
    queue.add("a", delay_seconds=30)

    await queue.get()

    assert clock.now == pytest.approx(5)


async def test_a_waiting_worker_is_woken_for_a_key_that_is_due_before_the_one_it_waits_for(
    in_no_time: Callable[[], FakeTime],
) -> None:
    in_no_time()
    queue: WorkQueue[str] = WorkQueue()
    queue.add("slow", delay_seconds=1000)
    waiting = asyncio.create_task(_take(queue))
    await asyncio.sleep(0)
    queue.add("quick", delay_seconds=1)

    assert await waiting == "quick"


async def test_many_workers_share_many_keys_without_ever_sharing_one(in_no_time: Callable[[], FakeTime]) -> None:
    in_no_time()
    queue: WorkQueue[int] = WorkQueue()
    held: set[int] = set()
    passes: list[int] = []

    async def worker() -> None:
        while taken := await queue.get():
            assert taken.key not in held
            held.add(taken.key)
            await asyncio.sleep(0.01)
            held.remove(taken.key)
            passes.append(taken.key)
            if passes.count(taken.key) < 3:
                queue.notice(taken.key)
            queue.done(taken.key)
            if len(passes) == 60:
                queue.close()

    for key in range(20):
        queue.add(key)
    await asyncio.gather(*(worker() for _ in range(8)))

    assert sorted(passes) == sorted([*range(20)] * 3)


async def test_a_worker_that_is_cancelled_while_it_waits_takes_no_key_with_it(
    in_no_time: Callable[[], FakeTime],
) -> None:
    in_no_time()
    queue: WorkQueue[str] = WorkQueue()
    first, second = (asyncio.create_task(_take(queue)) for _ in range(2))
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()

    assert await second == "a"


async def test_a_closed_queue_hands_out_nothing_more_and_lets_workers_go() -> None:
    queue: WorkQueue[str] = WorkQueue()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.close()

    assert await waiting is None
    queue.add("a")
    assert await queue.get() is None


async def test_settled_means_that_all_that_was_due_was_worked_on_once(in_no_time: Callable[[], FakeTime]) -> None:
    in_no_time()
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.add("b")
    queue.add("later", delay_seconds=1000)
    settled = asyncio.create_task(queue.until_settled())
    for _ in range(2):
        assert not settled.done()
        queue.done(await _take(queue))
        await asyncio.sleep(0)

    await settled


# -- shares of the workers


def namespace_of(key: str) -> str:
    return key.partition("/")[0]


async def test_a_namespace_whose_passes_never_end_keeps_no_other_waiting(in_no_time: Callable[[], FakeTime]) -> None:
    clock = in_no_time()
    queue: WorkQueue[str] = WorkQueue(shares=Shares(8), namespace_of=namespace_of)
    passes: dict[str, list[float]] = {}

    async def worker() -> None:
        while taken := await queue.get():
            passes.setdefault(namespace_of(taken.key), []).append(clock.now - taken.due)
            await asyncio.sleep(3600 if taken.key.startswith("hangs") else 0.1)
            queue.done(taken.key)

    for number in range(100):
        queue.add(f"hangs/{number}", urgent=True)
    workers = [asyncio.create_task(worker()) for _ in range(8)]
    await asyncio.sleep(1)
    for number in range(50):
        for namespace in ("b", "c"):
            queue.add(f"{namespace}/{number}")
    await asyncio.sleep(60)

    assert len(passes["hangs"]) == 6
    assert len(passes["b"]) == len(passes["c"]) == 50
    assert min(passes["b"]) < 0.2
    assert min(passes["c"]) < 0.2
    for each in workers:
        each.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


async def test_nobody_waits_for_a_worker_that_is_free_where_all_are_of_one_namespace(
    in_no_time: Callable[[], FakeTime],
) -> None:
    clock = in_no_time()
    queue: WorkQueue[str] = WorkQueue(shares=Shares(1), namespace_of=namespace_of)
    for number in range(20):
        queue.add(f"a/{number}")
    for _ in range(20):
        queue.done(await _take(queue))
    assert clock.now == 0


@given(
    st.integers(1, 9),
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["add", "urgent"]), st.sampled_from(["a/1", "a/2", "a/3", "b/1", "b/2", "c/1"])),
            st.tuples(st.sampled_from(["take", "done"]), st.just("")),
        ),
        max_size=120,
    ),
)
def test_what_is_due_is_handed_out_unless_its_namespace_has_its_share(
    capacity: int, steps: list[tuple[str, str]]
) -> None:
    shares, twin = Shares(capacity), Shares(capacity)
    schedule: Schedule[str] = Schedule(shares, namespace_of)
    wanted, held = set[str](), list[str]()
    for now, (what, key) in enumerate(steps):
        if what in ("add", "urgent"):
            schedule.add(key, at=now, urgent=what == "urgent")
            wanted.add(key)
        elif what == "done" and held:
            schedule.done(held[0])
            twin.give_back(namespace_of(held.pop(0)))
        elif what == "take":
            may_be_taken = {each for each in wanted - set(held) if twin.may_take(namespace_of(each))}
            assert (schedule.next_at() is None) == (not may_be_taken)
            taken = schedule.take(now)
            assert (taken is None) == (not may_be_taken)
            if taken:
                assert taken.key in may_be_taken
                twin.take(namespace_of(taken.key))
                held.append(taken.key)
                wanted.discard(taken.key)


def test_a_schedule_of_many_namespaces_is_no_slower_for_it() -> None:
    schedule: Schedule[str] = Schedule(Shares(8), namespace_of)
    for number in range(5000):
        schedule.add(f"n{number}/x", at=1000 + number)
    began = time.process_time()
    for number in range(2000):
        schedule.add(f"n{number}/y", at=number)
        schedule.next_at()
        taken = schedule.take(number)
        assert taken
        schedule.done(taken.key)
    assert time.process_time() - began < 1
    assert len(schedule._ordinary._heads) < 10_000


# -- back-off, and what the server asks for


@pytest.fixture
def failing() -> WorkQueue[str]:
    return WorkQueue(backoff=Backoff(base_seconds=8, jitter=lambda: 1.0))


@pytest.mark.parametrize(("retry_after", "wait"), [(0, 8), (3, 8), (30, 30)])
async def test_no_change_hands_out_sooner_what_failed(
    in_no_time: Callable[[], FakeTime], failing: WorkQueue[str], retry_after: int, wait: int
) -> None:
    clock = in_no_time()
    failing.add("a")
    await _take(failing)
    failing.notice("a")  # while it is worked on
    assert failing.retry("a", retry_after_seconds=retry_after) == wait
    failing.done("a")
    failing.notice("a")
    failing.notice("a", urgent=True)

    await _take(failing)

    assert clock.now == pytest.approx(wait)


@pytest.mark.parametrize(("retry_after", "wait"), [(0, 0.1), (3, 3)])
async def test_who_asks_for_something_else_waits_for_no_back_off_but_for_what_the_server_asked_for(
    in_no_time: Callable[[], FakeTime], failing: WorkQueue[str], retry_after: int, wait: float
) -> None:
    clock = in_no_time()
    failing.add("a")
    await _take(failing)
    failing.retry("a", retry_after_seconds=retry_after)
    failing.done("a")
    failing.notice_request("a")

    taken = await failing.get()

    assert taken
    assert taken.urgent
    assert clock.now == pytest.approx(wait)
    assert failing.backoff.attempt("a") == 1


async def test_while_a_thousand_start_what_serves_waits_for_no_more_than_the_passes_under_way(
    in_no_time: Callable[[], FakeTime],
) -> None:
    clock = in_no_time()
    queue: WorkQueue[int] = WorkQueue()
    waits: dict[bool, list[float]] = {True: [], False: []}

    async def worker() -> None:
        while taken := await queue.get():
            waits[taken.urgent].append(clock.now - taken.due)
            await asyncio.sleep(0.2)
            queue.done(taken.key)

    async def serves() -> None:
        for _ in range(50):
            queue.notice(-1, urgent=True)
            await asyncio.sleep(0.4)
        await queue.until_settled()
        queue.close()

    for key in range(1000):
        queue.add(key)
    await asyncio.gather(serves(), *(worker() for _ in range(8)))

    assert max(waits[False]) > 20
    assert max(waits[True]) <= 0.2
    assert (len(waits[True]), len(waits[False])) == (50, 1000)
