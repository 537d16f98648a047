"""From an address to a store. Libraries are imported for the scheme that is asked for: the others cost nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from slipway.fetch.policy import Policy
from slipway.fetch.settings import Settings
from slipway.fetch.stores import Store


@contextmanager
def open_store(settings: Settings, policy: Policy) -> Iterator[Store]:
    """The store that `source.uri` names."""
    source = settings.source
    if source.scheme == "pvc":
        from slipway.fetch.stores import claim

        yield claim.open_store(source, settings.source_root)
    elif source.scheme in {"http", "https"}:
        from slipway.fetch.stores import web

        with web.client(source, settings.credentials, policy) as client:
            yield web.WebStore(source, client, policy)
    elif source.scheme == "oci":
        from slipway.fetch.stores import registry

        with registry.client(source, policy) as client:
            yield registry.RegistryStore(source, client, policy, settings.credentials)
    elif source.scheme == "hf":
        from slipway.fetch.stores import hub

        with hub.client(source, settings.credentials, policy) as client:
            yield hub.HubStore(source, client, policy)
    else:
        from slipway.fetch.stores import objects

        yield objects.open_store(source, settings.credentials, policy)
