"""A trained model that is not in memory yet: in a file, or in the user's own Python (`train:model`).

Loading some kinds of file runs whatever code is in them. That is said, and done only where the person vouches for the
file (`trusted`): a pickle of scikit-learn's or torch's. Weights alone (`weights_only`), TorchScript and `.keras` in
Keras' safe mode run nothing of the file's Python. torch.export's `.pt2` has pickles inside that torch reads without
being asked, and is better exported to ONNX where it was made.
"""

import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from slipway.bundle import own
from slipway.bundle.errors import BundleError, need

_PICKLES: Final = frozenset({".pkl", ".pickle", ".joblib"})
_SAVE: Final = "save them with torch.save(module.state_dict(), …)"
_OWN: Final = "name the model in your own Python (train:model)"


def torch_module(where: str, *, weights: Path | None = None, trusted: bool = False) -> Any:
    """A torch module: TorchScript's file, a pickle that is vouched for, or MODULE:ATTRIBUTE. `weights` is a file of
    its state_dict, and then a class will do."""
    _no_source(where)
    torch = need("torch", install="torch", why="the module is its")
    if Path(where).is_file():
        module = _torch_file(torch, Path(where), trusted=trusted)
    else:
        module = _of_python(
            where, lambda value: isinstance(value, torch.nn.Module), "torch module", blank=weights is not None
        )
    if weights is not None:
        _load_weights(torch, module, weights)
    return module


def keras_model(where: str) -> Any:
    """A Keras model: a `.keras` file, or MODULE:ATTRIBUTE."""
    _no_source(where)
    keras = need("keras", install="keras", why="the model is its")
    file = Path(where)
    if not file.exists():
        return _of_python(where, lambda value: isinstance(value, keras.Model), "Keras model")
    if file.suffix != ".keras":
        raise BundleError(
            f"{file}: not a .keras file, the one kind that Keras loads without running its code; "
            "save it with model.save('model.keras')"
        )
    try:
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # noqa: BLE001  Keras raises what it likes
        words = _words(error)
        raise BundleError(f"{file}: Keras does not load it in safe mode: {words}; correct it, or {_OWN}") from None


def sklearn_estimator(where: str, *, trusted: bool = False) -> Any:
    """A fitted estimator: a pickle that is vouched for, or MODULE:ATTRIBUTE."""
    _no_source(where)
    file = Path(where)
    if not file.exists():
        return _of_python(where, lambda value: hasattr(value, "fit") and hasattr(value, "get_params"), "estimator")
    if file.suffix not in _PICKLES:
        raise BundleError(f"{file}: neither .joblib nor .pkl; save it with joblib.dump, or {_OWN}")
    _vouched(file, trusted=trusted)
    joblib = need("joblib", install="scikit-learn", why="it loads what scikit-learn saved")
    exceptions: Any = need("sklearn.exceptions", install="scikit-learn", why="the estimator is its")
    try:
        with _unpickling(file), warnings.catch_warnings():
            # Such an estimator may answer otherwise, and its answers would be golden.
            warnings.simplefilter("error", exceptions.InconsistentVersionWarning)
            return joblib.load(file)
    except exceptions.InconsistentVersionWarning as error:
        raise BundleError(f"{file}: {_words(error)[:200]} …; pack it with the version that saved it") from None
    except BundleError:
        raise
    except Exception as error:  # noqa: BLE001  a pickle raises what it likes
        raise BundleError(f"{file}: cannot be unpickled: {_words(error)}; save it again, or {_OWN}") from None


def _no_source(where: str) -> None:
    if where.endswith(".py"):
        raise BundleError(f"{where}: is Python and no model; name what it makes: {Path(where).stem}:NAME")


def _of_python(where: str, is_one: Callable[[Any], bool], kind: str, *, blank: bool = False) -> Any:
    """The model that MODULE:ATTRIBUTE is or returns; a class will do where `blank` ones are filled."""
    if not own.is_reference(where):
        raise BundleError(f"{where}: no such file, and not MODULE:ATTRIBUTE either; name one of them")
    model = own.imported(where)
    if isinstance(model, type) and not blank:
        raise BundleError(f"{where}: is a class, which has learned nothing; name a trained {kind} or what returns one")
    if (isinstance(model, type) or not is_one(model)) and callable(model):
        model = own.called(where, model)
    if not is_one(model):
        raise BundleError(f"{where}: is of {type(model).__name__} and no {kind}; name one or what returns one")
    return model


def _torch_file(torch: Any, file: Path, *, trusted: bool) -> Any:
    kind = _kind_of_torch_file(file)
    if kind == "program":
        raise BundleError(
            f"{file}: a program of torch.export, whose pickles torch would run unasked; export it to ONNX where it was "
            "made (torch.onnx.export) and use slipway pack onnx"
        )
    if kind == "script":
        with own.guarded(f"{file}: loading TorchScript"):
            return torch.jit.load(str(file), map_location="cpu")
    if kind is None:
        raise BundleError(f"{file}: not a file of torch's; save the module with torch.jit.script(module).save(…)")
    if _is_weights(torch, file):
        raise BundleError(f"{file}: holds weights alone; say --weights {file} and name the class (train:Network)")
    _vouched(file, trusted=trusted)
    with own.guarded(f"{file}: unpickling"), _unpickling(file):
        module = torch.load(file, map_location="cpu", weights_only=False)
    if not isinstance(module, torch.nn.Module):
        raise BundleError(f"{file}: holds a {type(module).__name__} and no module; {_OWN}")
    return module


def _kind_of_torch_file(file: Path) -> str | None:
    """`script`, `program` or `pickle`; None for what is none of them. Nothing in it is loaded."""
    if not zipfile.is_zipfile(file):
        with file.open("rb") as opened:
            return "pickle" if opened.read(1) == pickle.PROTO else None
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inner and any(name.startswith("code/") for name in inner):
        return "script"
    if "data.pkl" in inner:
        return "pickle"
    exported = {"archive_format", "serialized_exported_program.json"}
    return "program" if exported & {*inner, *names} else None


def _is_weights(torch: Any, file: Path) -> bool:
    try:
        return isinstance(torch.load(file, map_location="cpu", weights_only=True), dict)
    except Exception:  # noqa: BLE001  of whatever kind: then there is more in it than weights
        return False


def _load_weights(torch: Any, module: Any, file: Path) -> None:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  torch raises what it likes
        words = _words(error).partition(".")[0]
        raise BundleError(f"{file}: torch reads no weights in it: {words}; {_SAVE}") from None
    if not isinstance(state, Mapping):
        raise BundleError(f"{file}: holds a {type(state).__name__} and no weights by name; {_SAVE}")
    if inner := [str(key) for key, value in state.items() if _is_state(torch, value)]:
        raise BundleError(
            f"{file}: a checkpoint of {', '.join(map(str, state))}; save the weights in it alone: "
            f"torch.save(torch.load({file.name!r})[{inner[0]!r}], 'weights.pt')"
        )
    try:
        module.load_state_dict(state)
    except Exception as error:  # noqa: BLE001
        raise BundleError(
            f"{file}: does not fit {type(module).__name__}: {_words(error)}; name the class that was trained"
        ) from None


def _is_state(torch: Any, value: object) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(each, torch.Tensor) for each in value.values())


@contextmanager
def _unpickling(file: Path) -> Iterator[None]:
    """A pickle names the modules that its classes are in: the person's own are in the working directory."""
    try:
        with own.at_home():
            yield
    except ModuleNotFoundError as error:
        raise BundleError(
            f"{file}: has a class of the module {error.name!r}, which is not here; run this where it is, or install it"
        ) from None
    except AttributeError as error:
        if "'__main__'" not in str(error):
            raise
        raise BundleError(
            f"{file}: {_words(error)}: the class stood in the program that saved it; put it into a module of its own, "
            f"import it from there and save again, or {_OWN}"
        ) from None


def _vouched(file: Path, *, trusted: bool) -> None:
    if not trusted:
        raise BundleError(
            f"{file}: a pickle, and loading it runs whatever code is in it; if it is yours say --trusted, or {_OWN}"
        )


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:400] or type(error).__name__
