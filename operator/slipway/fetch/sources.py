"""From an address to a store. Libraries are imported for the scheme that is asked for: the others cost nothing."""

from slipway.fetch.policy import Policy
from slipway.fetch.settings import Settings
from slipway.fetch.stores import Store


def open_store(settings: Settings, policy: Policy) -> Store:
    """The store that `source.uri` names."""
    source = settings.source
    if source.scheme == "pvc":
        from slipway.fetch.stores import claim

        return claim.open_store(source, settings.source_root)
    if source.scheme in {"http", "https"}:
        from slipway.fetch.stores import web

        return web.open_store(source, settings.credentials, policy)
    from slipway.fetch.stores import objects

    return objects.open_store(source, settings.credentials)
