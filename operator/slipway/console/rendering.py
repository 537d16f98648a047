"""Templates, with everything in them escaped that is not said to be safe."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from slipway.cli.answers import in_lines
from slipway.cli.text import age, at, plain
from slipway.console import chart, markdown

_LONGEST: Final = 256 << 10
"""Characters of an object that is shown as YAML, of which a second makes so many."""
_TEMPLATES: Final = Environment(
    loader=PackageLoader("slipway.console"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def rendered(template: str, values: Mapping[str, Any], *, now: datetime) -> str:
    """A page."""
    return _TEMPLATES.get_template(template).render(
        **values, age=lambda since: age(since, now), when=lambda moment: at(moment, now)
    )


def as_yaml(value: Any) -> str:
    """An object as people write it; of one that is too large for a page, a sentence."""
    if len(json.dumps(value, default=str)) > _LONGEST:
        return f"larger than {_LONGEST >> 10} KiB: see kubectl get -o yaml"
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)


_TEMPLATES.filters |= {
    "yaml": as_yaml,
    "markdown": markdown.safe,
    "chart": chart.chart,
    "in_lines": in_lines,
    "plain": plain,
}
