"""The built-in simulator behind a URL: its issuer page and its API."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from nexi_payments import conf
from nexi_payments.pages import guarded


@csrf_exempt
@login_not_required
@guarded
def simulator(request: HttpRequest, path: str) -> HttpResponse:
    """The simulator's issuer page and API; 404 with a real gateway."""
    if not any(terminal.simulated for terminal in conf.current().terminals.values()):
        raise Http404
    host = request.META.get("HTTP_HOST", "")
    origin = f"{'https' if request.is_secure() else 'http'}://{host}"
    reply = conf.simulator().handle(
        request.method or "GET",
        origin + request.get_full_path(),
        request.headers,
        request.body,
    )
    answer = HttpResponse(reply.body, status=reply.status, headers=dict(reply.headers))
    return answer
