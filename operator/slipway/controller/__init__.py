"""The shell around the core: watches, store, queue, reconcile, API client, election, telemetry. It has no opinions."""
