"""Bundles of several models: what is laid out, what is checked of each of them, and what an ensemble may not name."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.fetch import decryption, layout, models, proof
from slipway.fetch.fetch import fetch
from slipway.fetch.policy import Policy
from slipway.fetch.resolve import resolve
from slipway.fetch.settings import Settings
from slipway.fetch.verdict import FetchError, Reason
from slipway.guard import golden
from tests.fetch import bundles, ensembles
from tests.fetch.conftest import Order
from tests.fetch.ensembles import ADD, DOUBLE, STEP, ensemble, part

NET, SUM = "models/double/config.pbtxt", "models/add/config.pbtxt"


@pytest.fixture
def settings(order: Order) -> Settings:
    return order("pvc://claim/a")


def put(tmp_path: Path, files: dict[str, bytes]) -> None:
    bundles.write(tmp_path / "claim" / "a", bundles.listed(files))


def checked(
    files: dict[str, bytes], allowed: Sequence[str] = (), overlay: dict[str, Any] | None = None
) -> models.Models:
    """What the resolve Job does with a bundle's files."""
    layout.check(files)
    configured = models.configure(files, overlay, "churn")
    models.check(configured, files, allowed)
    return configured


# -- what is laid out


def test_each_model_has_a_directory_of_its_name_and_an_ensemble_the_version_that_it_needs(
    settings: Settings, tmp_path: Path, policy: Policy
) -> None:
    put(tmp_path, ensembles.files(**{"notes.txt": b"n", "models/add/labels.txt": b"l"}))
    fetch(settings, policy)
    repository = settings.root / "repository"
    assert {each.name for each in repository.iterdir()} == {"churn", "double", "add"}
    assert {each.name for each in (repository / "churn").iterdir()} == {"config.pbtxt", "1", "notes.txt"}
    assert {each.name for each in (repository / "add").iterdir()} == {"config.pbtxt", "1", "labels.txt"}
    assert list((repository / "churn/1").iterdir()) == []
    assert (repository / "double/1/model.onnx").read_bytes() == b"double"
    assert 'name: "double"' in (repository / "double/config.pbtxt").read_text()


def test_a_model_of_an_earlier_run_is_not_left_in_the_repository(
    settings: Settings, tmp_path: Path, policy: Policy
) -> None:
    (settings.root / "repository/other/1").mkdir(parents=True)
    put(tmp_path, ensembles.files())
    fetch(settings, policy)
    fetch(settings, policy)
    assert {each.name for each in (settings.root / "repository").iterdir()} == {"churn", "double", "add"}


def test_a_directory_called_models_without_a_configuration_is_the_models_own(
    settings: Settings, tmp_path: Path, policy: Policy
) -> None:
    put(tmp_path, bundles.files(**{"models/words.txt": b"w", "models/more/1.txt": b"x"}))
    answer = resolve(settings, policy)
    fetch(settings, policy)
    assert "parts" not in answer["model"]
    assert (settings.root / "repository/churn/models/words.txt").read_bytes() == b"w"


def test_a_python_model_may_have_parts_that_only_it_calls() -> None:
    caller = part("x", "y", backend="python")
    files = ensembles.files(**{"config.pbtxt": caller, "1/model.py": b"import"})
    assert set(checked(files).parts) == {"double", "add"}


# -- what parts are asked by themselves

OWN = "models/add/golden/one.json"
FITS = json.dumps(bundles.GOLDEN).replace('"x"', '"c"').replace('"y"', '"d"').encode()


def test_a_parts_golden_requests_lie_apart_where_the_guard_looks_and_not_before_the_server(
    settings: Settings, tmp_path: Path, policy: Policy
) -> None:
    put(tmp_path, ensembles.files(**{OWN: FITS}))
    answer = resolve(settings, policy)
    fetch(settings, policy)
    assert (answer["golden"], len(answer["asks"])) == (1, 1), "those of the entry model, which clients ask"
    assert [request.name for request in golden.load(settings.root, tmp_path)] == ["golden/three.json"]
    assert [request.name for request in golden.load_part(settings.root, "add")] == [OWN]
    assert golden.load_part(settings.root, "double") == []
    assert not (settings.root / "repository/add/golden").exists()


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        (OWN, b"{}", r"models/add/golden/one\.json: inputs: expected a list of tensors"),
        (OWN, FITS.replace(b'"c"', b'"x"'), r"models/add/golden/one\.json: inputs\[0\]\.name: the model has no 'x'"),
        (
            OWN,
            FITS.replace(b"0.0001", b"9"),
            r"models/add/golden/one\.json: tolerance: an answer of zeros would pass, in each of the model's",
        ),
        ("models/plain/golden/one.json", FITS, r"models/plain/golden/one\.json: belongs to no model"),
    ],
)
def test_what_cannot_be_asked_of_a_part_is_refused_with_its_place(
    settings: Settings, tmp_path: Path, policy: Policy, path: str, content: bytes, said: str
) -> None:
    put(tmp_path, ensembles.files(**{path: content}))
    with pytest.raises(FetchError, match=said) as refused:
        resolve(settings, policy)
    assert refused.value.reason is Reason.BUNDLE_INVALID


def test_a_request_in_a_directory_that_is_no_part_is_not_passed_over(
    settings: Settings, tmp_path: Path, policy: Policy
) -> None:
    put(tmp_path, bundles.files(**{OWN: FITS}))
    with pytest.raises(
        FetchError, match=r"models/add/golden/one\.json: not asked, since models/add/ has no config\.pbtxt"
    ):
        resolve(settings, policy)


# -- what is told


def test_the_answer_names_the_parts_and_what_the_operator_has_to_know_of_them(
    settings: Settings, tmp_path: Path, policy: Policy
) -> None:
    net = part("a", "b", "max_batch_size: 16 instance_group { count: 3 }")
    put(tmp_path, ensembles.files(**{NET: net}))
    model = resolve(settings, policy)["model"]
    assert (model["backend"], model["instances"], model["inputs"]) == ("ensemble", 1, [("x", "FP32", [1])])
    common = {"backend": "onnxruntime", "tensorBytes": 8}
    assert model["parts"] == [
        {"name": "add", "maxBatchSize": 8, "instances": 2, **common},
        {"name": "double", "maxBatchSize": 16, "instances": 3, **common},
    ]


def test_state_in_a_part_is_state_of_the_version() -> None:
    stateful = part("a", "b", "max_batch_size: 8 sequence_batching {}")
    files = ensembles.files(**{"config.pbtxt": part("x", "y", backend="python"), "1/model.py": b"p", NET: stateful})
    assert checked(files).declared()["sequences"] is True


# -- what is refused, of layout and names

LAYOUT: dict[str, tuple[dict[str, bytes | None], str]] = {
    "no model at the top": (
        {"config.pbtxt": None},
        r"config\.pbtxt: not at the top, but there is models/add/config\.pbtxt, models/double/config\.pbtxt; a bundle",
    ),
    "a file of no model": ({"models/words.txt": b"w"}, r"models/words\.txt: belongs to no model, since models/ holds"),
    "a slip in a name": (
        {"models/label/config.pbtx": b"", "models/label/1/model.py": b""},
        r"models/label/1/model\.py: belongs to no model",
    ),
    "a version that is none": ({"models/add/2.tmp/x": b""}, r"models/add/2\.tmp/: Triton would take it for a version"),
    "a name with a dot first": ({"models/.add/config.pbtxt": b""}, r"models/\.add/: no name for a model"),
    "a name that is too long": ({f"models/{'n' * 64}/config.pbtxt": b""}, "no name for a model; take at most 63"),
    "more than a server should have": (
        {f"models/m{number}/config.pbtxt": b"" for number in range(15)},
        "models/: 17 models, and 16 are the most",
    ),
    "a part without a version": (
        {"models/add/1/model.onnx": None},
        r"models/add/: no version directory; put the model's file into models/add/1/",
    ),
    "an entry model without a version": (
        {"config.pbtxt": part("x", "y")},
        "^no version directory; put the model's file",
    ),
    "a file that a part names": (
        {SUM: part("c", "d", 'max_batch_size: 8 default_model_filename: "a.onnx"')},
        r"models/add/config\.pbtxt: default_model_filename: the bundle has no models/add/1/a\.onnx",
    ),
    "a part's model file": (
        {"models/add/1/model.onnx": None, "models/add/1/add.onnx": b""},
        r"models/add/1/model\.onnx: not in the bundle, and the onnxruntime backend runs it; the bundle has 1/add\.onnx",
    ),
    "a part's configuration": ({SUM: b"backend: 1"}, r"models/add/config\.pbtxt: line 1"),
    "a part that nobody can ask": (
        {SUM: part("c", "d", "sequence_batching {} model_transaction_policy { decoupled: true }", "python")},
        r"models/add/config\.pbtxt: model_transaction_policy\.decoupled",
    ),
    "a configuration as large as a model": ({SUM: b" " * (2**20 + 1)}, r"models/add/config\.pbtxt: 1048577 bytes"),
}


@pytest.mark.parametrize("what", LAYOUT)
def test_what_breaks_a_rule_of_several_models_is_refused_with_its_place(what: str) -> None:
    changed, said = LAYOUT[what]
    with pytest.raises(FetchError, match=said) as refused:
        checked(ensembles.files(**changed))
    assert refused.value.reason is Reason.BUNDLE_INVALID


def test_a_near_miss_of_a_golden_request_in_a_part_is_named() -> None:
    with pytest.raises(FetchError, match=r"models/add/Golden/one\.json: not asked"):
        proof.check(ensembles.files(**{"models/add/Golden/one.json": b"{}"}), listed=True)


def test_a_part_has_another_name_than_the_model_that_is_served() -> None:
    with pytest.raises(FetchError, match=r"spec\.model\.name: add, by default .* models/add/ too") as refused:
        models.configure(ensembles.files(), None, "add")
    assert refused.value.reason is Reason.SPEC_INVALID


@pytest.mark.parametrize(
    ("changed", "allowed", "said"),
    [
        ({}, ("ensemble",), r"models/add/config\.pbtxt: backend: onnxruntime is not allowed here, only ensemble"),
        ({}, ("onnxruntime",), r"^config\.pbtxt: backend: ensemble is not allowed here"),
        (
            {"models/add/1/libop.so": b""},
            ("ensemble", "onnxruntime"),
            r"models/add/1/libop\.so: code of a bundle's own",
        ),
        ({"libop.so": b""}, ("ensemble", "onnxruntime"), r"^libop\.so: code of a bundle's own"),
    ],
)
def test_every_model_has_a_backend_that_is_allowed(
    changed: dict[str, bytes], allowed: tuple[str, ...], said: str
) -> None:
    with pytest.raises(FetchError, match=said) as refused:
        checked(ensembles.files(**changed), allowed)
    assert refused.value.reason is Reason.BACKEND_NOT_ALLOWED
    checked(ensembles.files(), ("ensemble", "onnxruntime"))


# -- what is refused of ensembles

HEAD = 'platform: "ensemble" max_batch_size: 8'
STEPS: dict[str, tuple[dict[str, bytes | None], str]] = {
    "a backend": (
        {"config.pbtxt": ensemble(DOUBLE, ADD, head='backend: "ensemble" max_batch_size: 8')},
        'platform: a model with steps has platform: "ensemble"',
    ),
    "a backend beside the platform": (
        {"config.pbtxt": ensemble(DOUBLE, ADD, head='platform: "ensemble" backend: "ensemble" max_batch_size: 8')},
        "platform: a model with steps has .*, and no backend; write so",
    ),
    "steps of another backend": (
        {"config.pbtxt": ensemble(DOUBLE, ADD, head='backend: "python"'), "1/model.py": b""},
        'platform: a model with steps has platform: "ensemble"',
    ),
    "no steps": ({"config.pbtxt": ensemble()}, "ensemble_scheduling: has no step"),
    "no scheduling": ({"config.pbtxt": f"{HEAD} {ensembles.TENSORS % ('x', 'y')}".encode()}, "has no step"),
    "instances": (
        {"config.pbtxt": ensemble(DOUBLE, ADD, head=f"{HEAD} instance_group {{}}")},
        "instance_group: an ensem",
    ),
    "optimization": (
        {"config.pbtxt": ensemble(DOUBLE, ADD, head=f"{HEAD} optimization {{}}")},
        "optimization: an ensem",
    ),
    "warm-up": ({"config.pbtxt": ensemble(DOUBLE, ADD, head=f"{HEAD} model_warmup {{}}")}, "model_warmup: an ensemble"),
    "a step that is not there": (
        {"config.pbtxt": ensemble(DOUBLE, ADD, STEP % ("tok", "a", "x", "b", "z"))},
        r"step\[2\]\.model_name: the bundle has no model 'tok' in models/, it has add, double; add models/tok/",
    ),
    "no parts at all": (
        {path: None for path in ensembles.files() if path.startswith("models/")} | {"1/x": b""},
        r"step\[0\]\.model_name: the bundle has no model 'double' in models/, it has none",
    ),
    "itself": (
        {"config.pbtxt": ensemble(DOUBLE, ADD, STEP % ("churn", "x", "x", "y", "z"))},
        "the bundle has no model 'churn'",
    ),
    "a version that is not there": (
        {"config.pbtxt": ensemble(DOUBLE, ADD.replace("-1", "2"))},
        r"step\[1\]\.model_version: 'add' has no version 2 that is served, it has 1; write -1",
    ),
    "no version": (
        {"config.pbtxt": ensemble(DOUBLE, ADD.replace("model_version: -1", ""))},
        r"step\[1\]\.model_version: 'add' has no version 0 that is served",
    ),
    "a version that is not served": (
        {"config.pbtxt": ensemble(DOUBLE, ADD.replace("-1", "1")), "models/add/2/model.onnx": b""},
        r"'add' has no version 1 that is served, it has 2",
    ),
    "an input that is not there": (
        {"config.pbtxt": ensemble(DOUBLE, ADD.replace('"c"', '"q"'))},
        r"step\[1\]\.input_map\[q\]: models/add/config\.pbtxt has no 'q', it has c; correct the name",
    ),
    "an output that is not there": (
        {"config.pbtxt": ensemble(DOUBLE, ADD.replace('"d"', '"q"'))},
        r"step\[1\]\.output_map\[q\]: models/add/config\.pbtxt has no 'q', it has d",
    ),
    "an input that is lacking": (
        {NET: part("a", "b") + b'input { name: "more" data_type: TYPE_FP32 dims: 1 }'},
        r"step\[0\]\.input_map: lacks 'more', which models/double/config\.pbtxt needs",
    ),
    "no inputs": (
        {"config.pbtxt": ensemble(DOUBLE, ADD, 'step { model_name: "add" model_version: -1 }')},
        r"step\[2\]\.input_map: is empty",
    ),
    "another type": (
        {SUM: part("c", "d").replace(b"TYPE_FP32", b"TYPE_INT64")},
        r"step\[1\]\.input_map\[c\]: 'twice' is FP32 in models/double/config\.pbtxt \(b\) and INT64 in models/add/",
    ),
    "another type than the ensemble's": (
        {NET: part("a", "b").replace(b"TYPE_FP32", b"TYPE_FP16", 1)},
        r"step\[0\]\.input_map\[a\]: 'x' is FP32 in config\.pbtxt \(x\) and FP16 in models/double",
    ),
    "another shape": (
        {SUM: part("c", "d").replace(b"dims: [1]", b"dims: [2]", 1)},
        r"step\[1\]\.input_map\[c\]: 'twice' has \[-1, 1\] in models/double/config\.pbtxt \(b\) and \[-1, 2\] in",
    ),
    "a smaller batch": (
        {SUM: part("c", "d", "max_batch_size: 4")},
        r"max_batch_size: 8 .*, and models/add/config\.pbtxt of step\[1\] has 4; no step may take less",
    ),
    "an input that nobody takes": (
        {"config.pbtxt": ensemble(DOUBLE, ADD) + b' input { name: "q" data_type: TYPE_FP32 dims: 1 }'},
        "input: 'q' goes into no step",
    ),
    "an output that nobody gives": (
        {"config.pbtxt": ensemble(DOUBLE, ADD) + b' output { name: "q" data_type: TYPE_FP32 dims: 1 }'},
        "output: 'q' comes out of no step",
    ),
    "a tensor that nobody uses": (
        {"config.pbtxt": ensemble(DOUBLE, ADD, STEP % ("add", "c", "x", "d", "q"))},
        r"step\[2\]\.output_map: 'q' is used by nobody",
    ),
    "a tensor from nowhere": (
        {"config.pbtxt": ensemble(DOUBLE, ADD, STEP % ("add", "c", "q", "d", "z"))},
        r"step\[2\]\.input_map: 'q' is no input of the ensemble and comes out of no step",
    ),
    "a tensor from two steps": (
        {"config.pbtxt": ensemble(DOUBLE, ADD, STEP % ("add", "c", "x", "d", "y"))},
        r"step\[2\]\.output_map: 'y': ensemble_scheduling\.step\[1\] gives a tensor of that name already",
    ),
    "a tensor over the input": (
        {"config.pbtxt": ensemble(DOUBLE, ADD, STEP % ("add", "c", "twice", "d", "x"))},
        r"step\[2\]\.output_map: 'x': the ensemble's input has a tensor of that name already",
    ),
    "steps that wait for one another": (
        {
            "config.pbtxt": ensemble(
                DOUBLE, ADD, STEP % ("double", "a", "q", "b", "r"), STEP % ("add", "c", "r", "d", "q")
            )
        },
        r"ensemble_scheduling\.step: steps 2, 3 wait for one another",
    ),
    "ensembles that are steps of one another": (
        {
            NET: ensemble(STEP % ("add", "c", "a", "d", "b"), tensors=("a", "b")),
            SUM: ensemble(STEP % ("double", "a", "c", "b", "d"), tensors=("c", "d")),
        },
        r"models/add/config\.pbtxt: ensemble_scheduling: it is a step of itself, by way of models/double/config\.pbtxt",
    ),
    "an ensemble that is a step of its own": (
        {SUM: ensemble(STEP % ("add", "c", "c", "d", "d"), tensors=("c", "d"))},
        r"models/add/config\.pbtxt: ensemble_scheduling: it is a step of itself, at once",
    ),
    "state by sequence": (
        {SUM: part("c", "d", "max_batch_size: 8 sequence_batching {}")},
        r"models/add/config\.pbtxt: sequence_batching: config\.pbtxt has this model as a step, and an ensemble",
    ),
    "several responses, not said": (
        {SUM: part("c", "d", "max_batch_size: 8 model_transaction_policy { decoupled: true }")},
        r"config\.pbtxt: model_transaction_policy\.decoupled: not set, and models/add/config\.pbtxt of ensemble_sch",
    ),
    "several responses of nobody": (
        {"config.pbtxt": ensemble(DOUBLE, ADD, head=f"{HEAD} model_transaction_policy {{ decoupled: true }}")},
        r"model_transaction_policy\.decoupled: set, and none of the steps is decoupled",
    ),
}


@pytest.mark.parametrize("what", STEPS)
def test_an_ensemble_that_could_not_be_carried_out_is_refused_with_the_field(what: str) -> None:
    changed, said = STEPS[what]
    with pytest.raises(FetchError, match=said) as refused:
        checked(ensembles.files(**changed))
    assert refused.value.reason is Reason.BUNDLE_INVALID
    assert "config.pbtxt: " in refused.value.message


TAKEN: dict[str, dict[str, bytes | None]] = {
    "as it is": {},
    "steps in any order": {"config.pbtxt": ensemble(ADD, DOUBLE)},
    "a version of its own": {"1/.keep": b""},
    "a version that is named": {"config.pbtxt": ensemble(DOUBLE, ADD.replace("-1", "1"))},
    "a larger batch below": {SUM: part("c", "d", "max_batch_size: 32")},
    "a step without batches that says the batch itself": {
        SUM: part("c", "d", "").replace(b"dims: [1]", b"dims: [-1, 1]")
    },
    "a free size": {SUM: part("c", "d").replace(b"dims: [1]", b"dims: [-1]")},
    "an optional input": {NET: part("a", "b") + b'input { name: "o" data_type: TYPE_FP32 dims: 1 optional: true }'},
    "an ensemble as a step": {
        SUM: ensemble(STEP % ("one", "c", "c", "d", "d"), tensors=("c", "d")),
        "models/add/1/model.onnx": None,
        "models/one/config.pbtxt": part("c", "d"),
        "models/one/1/model.onnx": b"",
    },
    "several responses": {
        "config.pbtxt": ensemble(DOUBLE, ADD, head=f"{HEAD} model_transaction_policy {{ decoupled: true }}"),
        SUM: part("c", "d", "max_batch_size: 8 model_transaction_policy { decoupled: true }", "python"),
        "models/add/1/model.py": b"",
    },
}


@pytest.mark.parametrize("what", TAKEN)
def test_an_ensemble_whose_steps_fit_is_taken(what: str) -> None:
    checked(ensembles.files(**TAKEN[what]))


@given(
    st.lists(st.sampled_from("xyz"), min_size=3, max_size=3), st.lists(st.sampled_from("xyz"), min_size=3, max_size=3)
)
def test_any_wiring_is_refused_or_can_be_carried_out_step_after_step(takes: list[str], gives: list[str]) -> None:
    wires = list(zip(takes, gives, strict=True))
    steps = [STEP % ("add", "c", taken, "d", given) for taken, given in wires]
    with contextlib.suppress(FetchError):
        checked(ensembles.files(**{"config.pbtxt": ensemble(*steps)}))
        ready = {"x"}
        while able := [wire for wire in wires if wire[0] in ready]:
            ready |= {given for _, given in able}
            wires = [wire for wire in wires if wire not in able]
        assert not wires
        assert "y" in ready


# -- what is laid over


@pytest.mark.parametrize(
    "overlay", [{"instances": {"count": 2}}, {"optimization": {"graphLevel": 1}}, {"warmup": {"batchSizes": [1]}}]
)
def test_what_only_a_model_that_runs_has_is_not_laid_over_an_ensemble(overlay: dict[str, Any]) -> None:
    with pytest.raises(FetchError, match="the bundle's model is an ensemble, which runs nothing by itself") as refused:
        checked(ensembles.files(), overlay=overlay)
    assert refused.value.reason is Reason.SPEC_INVALID


def test_what_is_laid_over_is_the_entry_models_alone() -> None:
    configured = checked(ensembles.files(), overlay={"maxBatchSize": 4})
    assert configured.entry.config.max_batch_size == 4
    assert [each.config.max_batch_size for each in configured.parts.values()] == [8, 8]
    with pytest.raises(FetchError, match=r"max_batch_size: 16 .*spec\.model\.config\.maxBatchSize.* has 8"):
        checked(ensembles.files(), overlay={"maxBatchSize": 16})


# -- what stays plain


def test_the_configuration_of_every_part_is_read_without_a_key() -> None:
    plain = set(ensembles.files())
    secret = {path for path in plain if not decryption.stays_plain(path)}
    assert secret == {"models/double/1/model.onnx", "models/add/1/model.onnx"}
    paths = {f"{path}.age" if path in secret else path for path in plain}
    assert decryption.check(paths, asked=True) == {f"{path}.age": path for path in secret}
    with pytest.raises(FetchError, match=r"models/add/config\.pbtxt has to be plain"):
        decryption.check({*paths - {SUM}, f"{SUM}.age"}, asked=True)


@pytest.mark.parametrize("root", ["", "churn/"])
def test_an_archive_has_its_parts_too(root: str) -> None:
    from slipway.fetch import archive
    from slipway.fetch.settings import Source

    source = Source(uri="https://example.com/a.tar")
    files, members = archive.SmallFiles(), {}
    for path, content in bundles.listed(ensembles.files()).items():
        with files.open(f"{root}{path}") as sink:
            sink.write(content)
        members[f"{root}{path}"] = archive.Member(size=len(content), sha256=bundles.sha256(content))
    found, at = archive.survey(members, files.contents, source)
    assert at == root
    small = {path: files.contents[f"{root}{path}"] for path in found.small_files()}
    assert set(models.configure(small, None, "churn").parts) == {"add", "double"}
