"""A release: images and charts in a registry, with digests, SBOMs and signatures."""
