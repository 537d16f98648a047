"""Slipway: one manifest in, a model that answers out."""
