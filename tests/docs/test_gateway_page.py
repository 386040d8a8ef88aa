"""The page about the gateway names the endpoints that the client calls, no others."""

from __future__ import annotations

import re

from nexi_payments.gateway import client
from tests.support import doc_pages


def endpoints(text: str) -> set[str]:
    """``{"GET /orders/{id}"}``: an id has different names in code and page."""
    found = re.findall(r"`((?:GET|POST) /[^`]+)`", text)
    return {re.sub(r"{(?!flow})\w+}", "{id}", one) for one in found}


def test_every_endpoint_of_the_client() -> None:
    names = dir(client.Client)
    docstrings = (getattr(client.Client, name).__doc__ or "" for name in names)
    called = endpoints("\n".join(docstrings))
    assert len(called) == 21
    assert endpoints(doc_pages.page_text("gateway.md")) == called
