"""Bridges to other shops, imported by nobody but a host that has them installed."""
