"""What the next page has to say: kept here, so that no address puts words into a page."""

import secrets
from collections import OrderedDict
from typing import Final

_KEPT: Final = 100


class Notes:
    """The latest, each under a key that nobody guesses."""

    def __init__(self) -> None:
        self._words: OrderedDict[str, str] = OrderedDict()

    def keep(self, words: str) -> str:
        """Keep words for a page, and give their key."""
        key = secrets.token_urlsafe(12)
        self._words[key] = words
        if len(self._words) > _KEPT:
            self._words.popitem(last=False)
        return key

    def get(self, key: str) -> str:
        """The words of a key; none for a key of nobody's."""
        return self._words.get(key, "")
