"""What docs/api.md shows is what happens: its curl calls run against the demo, and its
tables name every address and every problem."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import problem_table
import pytest
import requests
from rest_framework.exceptions import APIException

from nexi_payments import exceptions
from nexi_payments.api import problem_details, throttling, urls
from tests.support import doc_pages
from tests.support.servers import free_port, wait_until_up

PAGE = doc_pages.DOCS / "api.md"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("demo")
    port = free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite3'}",
        "NEXI_SIMULATOR_STATE": str(folder / "simulator.sqlite3"),
        "DJANGO_SETTINGS_MODULE": "demo_shop.settings",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.browser.served", str(port)],
        cwd=doc_pages.ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(address, process)
        yield address
    finally:
        process.terminate()
        process.wait()


def form_of(page: str) -> tuple[str, dict[str, str]]:
    action = re.search(r'<form[^>]*action="([^"]*)"', page)
    assert action, page
    fields = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return html.unescape(action[1]), {n: html.unescape(v) for n, v in fields}


def browse(folder: Path) -> None:
    """What a person does: opens the page, goes to the bank, approves, comes back."""
    action, fields = form_of((folder / "bank.html").read_text())
    bank = requests.post(action, fields, timeout=10)
    where, fields = form_of(bank.text)
    where = requests.compat.urljoin(bank.url, where)
    back = requests.post(where, {**fields, "answer": "approve"}, timeout=10)
    home, fields = form_of(back.text)
    assert requests.post(home, fields, timeout=10).status_code == 200


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl on this machine")
def test_the_calls_of_the_page_pay(demo: str, tmp_path: Path) -> None:
    calls = [
        block.source
        for block in doc_pages.blocks(PAGE)
        if block.language == "sh" and not block.source.startswith("pip ")
    ]
    calls = [call.replace("http://127.0.0.1:8000", demo) for call in calls]
    at_the_bank = next(n for n, call in enumerate(calls) if "bank.html" in call)
    known = "declare -p API id secret > known; declare -f >> known"

    def run(*parts: str) -> str:
        script = "\n".join(("set -eu", *parts))
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    shown = run(*calls[: at_the_bank + 1], known)
    assert "'type': 'redirect'" in shown
    browse(tmp_path)
    assert run(". ./known", *calls[at_the_bank + 1 :]).split() == ["paid", "paid"]
    assert json.loads((tmp_path / "paid.json").read_text())["amount"] == "12.50"
    assert json.loads((tmp_path / "call.json").read_text())["channel"] == "moto"


def test_every_address_is_on_the_page() -> None:
    page = PAGE.read_text()
    for pattern in urls.urlpatterns:
        path = re.sub(r"<\w+:id>", "{id}", str(pattern.pattern))
        assert re.search(rf"`(GET|POST) {re.escape(path)}`", page), path


def test_every_problem_is_on_the_page() -> None:
    source = "".join(
        path.read_text()
        for path in (doc_pages.ROOT / "nexi_payments" / "api").glob("*.py")
    )
    codes = {code for _, code, _ in problem_details._EXCEPTION_PROBLEMS.values()}
    codes |= {code for code, _ in problem_details._STATUS_PROBLEMS.values()}
    codes |= set(re.findall(r'Problem\(\s*\d{3},\s*"(\w+)"', source))
    codes |= set(re.findall(r'_response\(\s*\d{3},\s*"(\w+)"', source))
    table = PAGE.read_text().partition("## Problems")[2].partition("## Throttling")[0]
    assert codes == set(re.findall(r"`(\w+)`", table)) - {
        "code",
        "detail",
        "errors",
        "captcha_url",
        "hint",
        "order",
        "remaining",
        "request_id",
    }


def catalogue() -> set[tuple[str, str]]:
    """Code and status of each row of docs/problems.md."""
    rows = r"^\| `(\w+)` \| (\d{3}|any other) \|"
    return set(re.findall(rows, doc_pages.page_text("problems.md"), re.M))


def test_the_catalogue_has_the_problems_of_the_page_and_one_more() -> None:
    table = PAGE.read_text().partition("## Problems")[2].partition("## Throttling")[0]
    rows = [
        (code, status)
        for statuses, codes in re.findall(r"^\| (\d[\d, ]*) \| (.*) \|$", table, re.M)
        for code in re.findall(r"`(\w+)`", codes)
        for status in statuses.split(", ")
    ]
    assert len(catalogue()) == 53
    assert catalogue() - {("error", "any other")} <= set(rows)
    assert {code for code, _ in catalogue()} - {"error"} == {code for code, _ in rows}


def test_no_problem_escapes_the_catalogue() -> None:
    """Three calls have variables: they pass on what the tables, or another call,
    say."""
    folder = doc_pages.ROOT / "nexi_payments" / "api"
    calls = [
        call
        for path in sorted(folder.glob("*.py"))
        for call in problem_table.problem_calls(path)
    ]
    literal = [problem_table._constants(call) for call in calls]
    assert literal.count(None) == 3
    assert len(literal) - 3 == 13
    for one in literal:
        assert one is None or (one[1], one[0]) in catalogue()


def test_a_status_that_is_none_of_ours_is_called_error() -> None:
    error = APIException("of the project")
    error.status_code = 418
    answer = problem_details._problem_response(error)
    assert answer is not None
    assert (answer.status_code, answer.data["code"]) == (418, "error")
    assert ("error", "any other") in catalogue()


def test_an_exception_without_a_code_is_of_a_flow_that_the_api_lacks() -> None:
    bases = {"ContractError", "NexiPaymentsError", "OrderError", "ShopOrderError"}
    without = {
        # of a payment they become a state
        *("GatewayError", "MismatchedResponse", "NotSent", "Rejected"),
        "UnknownOutcome",
        # closings, queued refunds and reviews are not in the API
        *("ClosingError", "DayAlreadyClosed", "DayNotOver"),
        *("GatewayDisagrees", "RefundKeyInUse"),
    }
    answered = {kind.__name__ for kind in problem_details._EXCEPTION_PROBLEMS}
    assert set(exceptions.__all__) == answered | bases | without
    page = doc_pages.page_text("exceptions.md")
    for name in answered:
        assert f"\n| `{name}` | " in page, name


def test_every_throttle_and_every_action_is_on_the_page() -> None:
    page = PAGE.read_text()
    for throttle in (
        throttling.CardThrottle,
        throttling.CheckoutThrottle,
        throttling.MotoThrottle,
        throttling.ServerThrottle,
        throttling.CardVerificationThrottle,
    ):
        row = rf"\| `{throttle.scope}` \|[^|]+\| {re.escape(throttle.default_rate)} \|"
        assert re.search(row, page), throttle.scope
    from nexi_payments.api.response_serializers import NextActionResponseSerializer

    for name in NextActionResponseSerializer().fields["type"].choices:
        assert f"| `{name}` |" in page
