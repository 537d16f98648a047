"""Slipway: one manifest in, a model that answers out."""

from typing import Final

DISTRIBUTION: Final = "slipway-serving"
"""The package's name for pip: on PyPI `slipway` is another project's."""
