"""What the README of a bundle says of it, read at the bundle's address."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from slipway.bundle import card
from slipway.bundle.errors import BundleError
from slipway.fetch import verify
from slipway.fetch.policy import Policy
from slipway.fetch.resume import persist
from slipway.fetch.stores import Store
from slipway.fetch.survey import Survey
from slipway.fetch.verdict import FetchError

LIMIT_BYTES: Final = 1024 * 1024


def front_matter(store: Store, bundle: Survey, policy: Policy, say: Callable[[str], None]) -> Mapping[str, Any]:
    """Its front matter. Nothing where there is no README. Nothing as well where it cannot be read, and `say` has why:
    the card lacks what it says."""
    if card.NAME not in bundle.entries:
        return {}
    try:
        content = persist(lambda: store.read(card.NAME, LIMIT_BYTES), store.where(card.NAME), policy)
        verify.check(card.NAME, content, bundle.hashes)
        return card.split(content.decode(errors="replace"))[0]
    except (BundleError, FetchError) as error:
        said = error.message if isinstance(error, FetchError) else str(error)
        say(f"the card is made without what {card.NAME} says: {said}")
        return {}
