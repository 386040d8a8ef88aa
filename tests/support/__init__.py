"""Helpers that several folders of tests share; ``tests/conftest.py`` loads the
plugins."""
