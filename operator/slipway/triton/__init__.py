"""What we know of Triton: its model configuration."""
