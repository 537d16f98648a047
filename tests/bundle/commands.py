"""The command, as a program would call it."""

from click.testing import CliRunner, Result

from slipway.program import main


def slipway(*words: object, **environment: str | None) -> Result:
    """What it prints and how it ends."""
    return CliRunner().invoke(main, [str(word) for word in words], env=environment)
