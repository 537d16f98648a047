"""The catalogue: what aliases mean, where versions are used, and what follows from a withdrawal."""
