"""Reads the form that takes the browser to the bank."""

from __future__ import annotations

import html
import re

_HIDDEN = re.compile(r'type="hidden" name="([^"]+)" value="([^"]*)"')


def form_in(page: bytes) -> dict[str, str]:
    return {
        name: html.unescape(value) for name, value in _HIDDEN.findall(page.decode())
    }
