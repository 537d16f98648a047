"""Decisions, pure: plain data in, plain data out. No clock, no asyncio, no kopf, no Kubernetes client."""
