"""What is looked at beside the passes, because no watch tells it."""
