"""The commands `slipway-fetch resolve` and `slipway-fetch fetch`.

Exit codes: 0 done; 1 not done, and a verdict was written. What nobody foresaw is one too, with its trace in the log.
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from slipway.fetch import verdict
from slipway.fetch.policy import Policy
from slipway.fetch.settings import Settings, termination_log
from slipway.fetch.verdict import FetchError, Reason
from slipway.guard.printable import LineFormatter

log = logging.getLogger(__name__)

_EPILOG: Final = "What to get is in SLIPWAY_SOURCE: see docs/contracts.md."


def main() -> None:
    """Run the command that is asked for."""
    asked = argparse.ArgumentParser("slipway-fetch", description="Get a model's bundle.", epilog=_EPILOG)
    asked.add_argument("command", choices=sorted(_COMMANDS), help="resolve: say what it is; fetch: have it, verified")
    command = _COMMANDS[asked.parse_args().command]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request, with signed addresses
    # PID 1 has no default action for SIGTERM. Nothing needs tidying: a next run goes on with what is on the volume.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    _run(command)


def _resolve(settings: Settings) -> None:
    """Say what the source is: digest, size, model. Writes nothing but the answer."""
    from slipway.fetch.resolve import resolve as look

    text = verdict.answer_text(look(settings, Policy()))
    verdict.write(settings.termination_log, text)


def _fetch(settings: Settings) -> None:
    """Download, verify and lay out the bundle below SLIPWAY_ROOT."""
    from slipway.fetch.fetch import fetch as get

    get(settings, Policy())


def _run(command: Callable[[Settings], None]) -> None:
    try:
        command(Settings.from_environment(os.environ))
    except FetchError as error:
        log.error("%s: %s", error.reason, error.message)  # noqa: TRY400  a verdict needs no trace
        _end(error)
    except (KeyboardInterrupt, SystemExit):
        raise
    # The boundary to whatever bundles and stores bring about: without a word of ours nobody knew where to look. A panic
    # of a store's library is no Exception.
    except BaseException as error:
        log.exception("The fetcher broke off")
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        message = f"the fetcher broke off ({said}); its log has the place, report it and check the bundle meanwhile"
        _end(FetchError(Reason.FETCH_FAILED, message))


def _end(error: FetchError) -> NoReturn:
    verdict.write(termination_log(os.environ), verdict.verdict_text(error))
    logging.shutdown()
    os._exit(1)  # a thread may still wait for an answer without an end: nobody waits for it


_COMMANDS: Final[Mapping[str, Callable[[Settings], None]]] = {"resolve": _resolve, "fetch": _fetch}
