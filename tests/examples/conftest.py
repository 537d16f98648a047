"""What needs Keras runs where KERAS_PYTHON names a Python that has it, as in tests/bundle."""

from testbed.training import trainable

collect_ignore = [] if "keras-regression" in trainable() else ["test_continued.py"]
