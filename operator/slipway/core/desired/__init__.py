"""Desired state: all objects that should be there for one ModelDeployment, and which should not."""
