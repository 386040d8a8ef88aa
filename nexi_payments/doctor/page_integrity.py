"""Compares the delivered payment page with the release: headers, scripts and styles.

PCI DSS 11.6.1 asks for it, at least once a week. The release is the package as it is
installed where this runs, so run it on another machine than the one that serves the
page. An address of a page is a secret: it is in no finding, log line and email.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import requests
from django.http import HttpResponse
from django.utils import timezone

from nexi_payments import conf
from nexi_payments.doctor.findings import OK, UNKNOWN, WARNING, Finding
from nexi_payments.doctor.page_contents import PageContents, read_page
from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.web import responses, static_files

_SECTION: Final = "payment page"
_TIMEOUT: Final = (5, 15)
_MAX_BYTES: Final = 2 * 1024 * 1024
_CARD_SCRIPT: Final = "card.js"
#: They load or permit what our pages do not.
_FOREIGN_HEADERS: Final = ("Refresh", "Link", "Access-Control-Allow-Origin")
#: "…/nexi_payments/card.js", with the hash of a manifest storage or without
_OWN_FILE: Final = re.compile(
    r"/nexi_payments/(?P<name>[a-z_]+)(?:\.[0-9a-f]{12})?\.(?P<kind>js|css)$", re.ASCII
)


class PageUnavailable(Exception):
    """The page cannot be compared; the text says why, without the address."""


def newest_page() -> str:
    """The address of the newest open payment that anybody may see. Looking changes
    nothing. Raises ``PageUnavailable`` without one.
    """
    own = [
        one.name for one in conf.current().terminals.values() if one.has_own_card_page
    ]
    order = PaymentOrder.objects.filter(
        state=OrderState.INIT,
        user=None,
        terminal__in=own,
        expires_at__gt=timezone.now(),
    ).first()
    if order is None:
        raise PageUnavailable("no payment waits for a card: name the address of a page")
    return conf.site_address() + order.page_url()


def compare(url: str, allowed: Sequence[str] = ()) -> Iterator[Finding]:
    """Yields what differs, and one finding with the result.

    ``allowed`` are further scripts and stylesheets that the shop has authorised: an
    address, or ``address=sha384-…``. Raises ``PageUnavailable`` when the page or one of
    its files does not arrive.
    """
    with requests.Session() as session:
        session.trust_env = False
        response, body = _fetch(session, url)
        differences = [*_header_differences(response.raw.headers)]
        if response.status_code != 200:
            differences.append(f"the page answers {response.status_code}, not 200")
        contents = read_page(body.decode("utf-8", "replace"))
        differences += _content_differences(contents, url)
        for address, integrity in (*contents.scripts, *contents.styles):
            differences += _file_differences(session, url, address, integrity, allowed)
    for difference in differences:
        yield Finding(_SECTION, difference, WARNING)
    files = len(contents.scripts) + len(contents.styles)
    yield Finding(
        _SECTION,
        f"payment page of {_origin(url)}: {len(differences)} differences,"
        f" {files} scripts and stylesheets compared",
        WARNING if differences else OK,
        {"differences": len(differences), "files": files},
        indent=0,
    )


def unavailable(error: PageUnavailable) -> Finding:
    return Finding(_SECTION, f"payment page: {error}", UNKNOWN, indent=0)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _fetch(session: requests.Session, url: str) -> tuple[requests.Response, bytes]:
    where = _origin(url)
    try:
        response = session.get(
            url, timeout=_TIMEOUT, allow_redirects=False, stream=True
        )
        body = b""
        for chunk in response.iter_content(65_536):
            body += chunk
            if len(body) > _MAX_BYTES:
                raise PageUnavailable(f"more than {_MAX_BYTES} bytes from {where}")
    except (requests.RequestException, ValueError) as error:
        # the class alone: the text of an exception of requests has the address
        raise PageUnavailable(f"{where}: {type(error).__name__}") from None
    return response, body


# -- headers -----------------------------------------------------------------------


def _expected_headers() -> HttpResponse:
    policy = responses.content_security_policy()
    return responses.with_security_headers(HttpResponse(), policy=policy)


def _header_differences(found: Any) -> Iterator[str]:
    """``found``: the headers of urllib3, which keeps repeated ones apart."""
    for name in _FOREIGN_HEADERS:
        if name in found:
            yield f"there is a header {name}"
    for name, expected in _expected_headers().headers.items():
        if name in ("Content-Type", "Vary"):
            continue
        values = found.getlist(name)
        if not values:
            yield f"the header {name} is missing"
        elif name == "Content-Security-Policy":
            yield from _policy_differences(values, expected)
        elif _tokens(name, values) != _tokens(name, [expected]):
            yield f"the header {name} is another one"


def _tokens(name: str, values: list[str]) -> Any:
    """For comparison: a list in any order, or the texts as they are."""
    if name in ("Cache-Control", "Permissions-Policy"):
        return {one.strip() for value in values for one in value.split(",")}
    return [value.strip() for value in values]


def _policy_differences(values: list[str], expected: str) -> Iterator[str]:
    """A second policy only restricts: one of them has to be ours."""
    wanted = _directives(expected)
    policies = [_directives(one) for value in values for one in value.split(",")]
    hosted = _hosted_page_origins()
    differences = []
    for policy in policies:
        # browsers also check where the response to a form redirects to
        extra = policy.get("form-action", frozenset()) - wanted["form-action"]
        if extra <= hosted:
            policy = {
                **policy,
                "form-action": policy.get("form-action", frozenset()) - extra,
            }
        names = sorted(
            name for name in {*wanted, *policy} if wanted.get(name) != policy.get(name)
        )
        differences.append(names)
    for name in min(differences, key=len):
        yield f"the Content-Security-Policy has another {name[:40]}"


def _directives(policy: str) -> dict[str, frozenset[str]]:
    """The first of each name counts, as in browsers."""
    found: dict[str, frozenset[str]] = {}
    for part in policy.split(";"):
        if words := part.split():
            found.setdefault(words[0].lower(), frozenset(words[1:]))
    return found


def _hosted_page_origins() -> frozenset[str]:
    settings = conf.current()
    site = conf.site_address()
    return frozenset(
        origin
        for name, terminal in settings.terminals.items()
        if terminal.has_hosted_page
        for origin in conf.hosted_page_origins(name, site)
    )


# -- contents ----------------------------------------------------------------------


def _content_differences(contents: PageContents, url: str) -> Iterator[str]:
    for oddity in contents.oddities:
        yield f"the page has {oddity}"
    for action in contents.form_actions:
        if _origin(urljoin(url, action)) != _origin(url):
            yield f"a form posts to {_origin(urljoin(url, action))}"
    names = [urlsplit(address).path for address, _ in contents.scripts]
    own = [_own_file(name) for name in names]
    if "card_number" not in contents.input_names:
        yield "the page has no card form: name the address of a payment that is open"
    elif _CARD_SCRIPT not in own:
        yield f"the page does not load {_CARD_SCRIPT}"


def _own_file(path: str) -> str:
    """The name of our file at this path, "card.js"; "" for another file."""
    match = _OWN_FILE.search(path)
    name = f"{match['name']}.{match['kind']}" if match else ""
    return name if f"nexi_payments/{name}" in static_files.SCRIPTS_AND_STYLES else ""


def _file_differences(
    session: requests.Session,
    page: str,
    address: str,
    integrity: str,
    allowed: Sequence[str],
) -> Iterator[str]:
    url = urljoin(page, address)
    parts = urlsplit(url)
    shown = f"{_origin(url)}{parts.path}"
    permitted = dict(map(_address_and_digest, allowed))
    if shown in permitted:
        wanted = permitted[shown]
        if not wanted:
            return
    elif (name := _own_file(parts.path)) and _origin(url) in _own_origins(page):
        wanted = _release_digest(name)
    else:
        yield f"a script or stylesheet of another place: {shown[:200]}"
        return
    response, body = _fetch(session, url)
    if response.status_code != 200:
        raise PageUnavailable(f"{shown[:200]} answers {response.status_code}")
    if _digest(body) != wanted:
        yield f"{shown[:200]} differs from the release"
    if integrity and integrity.split() != [wanted]:
        yield f"the integrity attribute of {shown[:200]} is another one"


def _address_and_digest(allowed: str) -> tuple[str, str]:
    address, found, digest = allowed.partition("=sha384-")
    return address, f"sha384-{digest}" if found else ""


def _own_origins(page: str) -> set[str]:
    """Of the page, and of the static files in the settings."""
    return {_origin(page), _origin(urljoin(page, static_files.url("nexi_payments/")))}


def _release_digest(name: str) -> str:
    folder = resources.files("nexi_payments") / "static" / "nexi_payments"
    return _digest((folder / name).read_bytes())


def _digest(content: bytes) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()
