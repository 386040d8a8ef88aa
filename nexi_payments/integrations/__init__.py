"""Integrations with other shop packages. Only a project that installs one imports
it."""
