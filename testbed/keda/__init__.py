"""KEDA as programs, an image and an installation, for the story that scales by it."""
