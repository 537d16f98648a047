"""Brings up what the project needs on a bare machine, and takes it down again: `python -m testbed --help`."""
