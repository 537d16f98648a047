"""Runs before the server: resolves a source, downloads and verifies the bundle, lays out the model repository."""
