"""A real nginx in front of a real gunicorn: on a unix socket visitors have addresses,
limits count by them, and nobody writes their own into a header."""

from __future__ import annotations

import http.client
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from nexi_payments.simulator import TEST_CARDS
from tests.support.servers import free_port, wait_until_up
from tests.support.waiting import wait_until
from tests.testing.project import ROOT, Project

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = [
    pytest.mark.seen_on("sqlite"),
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
    pytest.mark.skipif(
        importlib.util.find_spec("gunicorn") is None,
        reason="gunicorn is not installed",
    ),
]

CONFIG = """
{user}
daemon off;
worker_processes 1;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_set_header Host 127.0.0.1:{port};
            proxy_set_header X-Forwarded-For {forwarded};
            proxy_pass http://unix:{folder}/gunicorn.sock;
        }}
    }}
}}
"""
ORDERS = """
from decimal import Decimal
from nexi_payments import flows
for _ in range(4):
    print(flows.create_order(amount=Decimal("12.50"), currency="EUR").page_url())
"""
SEEN = """
from nexi_payments.models import Operation
print(*Operation.objects.values_list("address", flat=True))
"""


@contextmanager
def run(folder: Path, name: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PYTEST", "DJANGO", "COV", "NEXI", "GUNICORN"))
    }
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            # gunicorn has a socket of its own at home
            env={**environment, "PYTHONPATH": str(ROOT), "HOME": str(folder)},
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


class Site:
    def __init__(self, project: Project, port: int) -> None:
        self.project = project
        self.port = port
        self.pages = self.shell(ORDERS).split()

    def shell(self, code: str) -> str:
        done = self.project.run("manage.py", "shell", "-v", "0", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def submit_card(self, page: str, **headers: str) -> http.client.HTTPResponse:
        """Enters the first test card on a page, as a browser with one cookie."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", page, headers=headers)
        form = connection.getresponse()
        cookie = form.headers["Set-Cookie"].partition(";")[0]
        token = form.read().decode().partition('csrfmiddlewaretoken" value="')[2][:64]
        card = TEST_CARDS[0]
        fields = (
            f"csrfmiddlewaretoken={token}&cardholder_name=Giulia&card_number="
            f"{card.number}&expiry={card.expiry}&security_code={card.cvv}"
        )
        form_type = {"Content-Type": "application/x-www-form-urlencoded"}
        headers = {**headers, **form_type, "Cookie": cookie}
        connection.request("POST", page, fields, headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer


@contextmanager
def site(folder: Path, proxies: str, forwarded: str) -> Iterator[Site]:
    project = Project(
        folder,
        'ALLOWED_HOSTS = ["127.0.0.1"]',
        "NEXI_PAYMENTS = {",
        '    "TERMINALS": {"default": {"ENVIRONMENT": "simulator"}},',
        f'    "RATE_LIMITS": {{"address": (2, 600)}}, "TRUSTED_PROXIES": {proxies},',
        "}",
    )
    assert project.run("manage.py", "migrate").returncode == 0
    port = free_port()
    # workers of root would be another user, to whom this folder is closed
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        CONFIG.format(folder=folder, port=port, forwarded=forwarded, user=user)
    )
    socket = folder / "gunicorn.sock"
    server = ("-m", "gunicorn", "shop.wsgi", "-b", f"unix:{socket}", "--timeout", "60")
    assert NGINX is not None
    with ExitStack() as stack:
        stack.enter_context(run(folder, "gunicorn", sys.executable, *server))
        assert wait_until(socket.exists, 60, every=0.1)
        proxy = run(folder, "nginx", NGINX, "-c", str(folder / "nginx.conf"))
        wait_until_up(f"http://127.0.0.1:{port}/", stack.enter_context(proxy))
        yield Site(project, port)


def test_visitors_are_known_on_a_unix_socket(tmp_path: Path) -> None:
    forged = {"X-Forwarded-For": "6.6.6.6"}
    with site(tmp_path, '["unix"]', "$proxy_add_x_forwarded_for") as shop:
        answers = [
            shop.submit_card(page, **{"X-Forwarded-For": f"6.6.6.{place}"})
            for place, page in enumerate(shop.pages[:3])
        ]
        assert [one.status for one in answers] == [200, 200, 429]
        assert answers[2].headers["Retry-After"] == "600"
        assert shop.shell(SEEN).split() == ["127.0.0.1"] * 2
        assert shop.submit_card(shop.pages[3], **forged).status == 429


def test_a_proxy_that_writes_ports(tmp_path: Path) -> None:
    forwarded = '"$http_x_forwarded_for, $remote_addr:$remote_port"'
    with site(tmp_path, '["unix"]', forwarded) as shop:
        statuses = [
            shop.submit_card(page, **{"X-Forwarded-For": f"6.6.6.{place}"}).status
            for place, page in enumerate(shop.pages[:3])
        ]
        assert statuses == [200, 200, 429]
        assert shop.shell(SEEN).split() == ["127.0.0.1"] * 2


def test_without_the_setting_visitors_are_one(tmp_path: Path) -> None:
    with site(tmp_path, "[]", "$proxy_add_x_forwarded_for") as shop:
        statuses = [
            shop.submit_card(page, **{"X-Forwarded-For": f"6.6.6.{place}"}).status
            for place, page in enumerate(shop.pages[:3])
        ]
        assert statuses == [200, 200, 429]
        assert shop.shell(SEEN).split() == ["None"] * 2
        log = (tmp_path / "gunicorn.log").read_text()
        assert "add 'unix' to TRUSTED_PROXIES" in log
