"""HTTP endpoint of the built-in simulator: issuer page and API."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.views.decorators.csrf import csrf_exempt

from nexi_payments import conf
from nexi_payments.web.sensitive import sensitive_view


@csrf_exempt
@login_not_required
@sensitive_view()
def simulator(request: HttpRequest, path: str) -> HttpResponse:
    """Issuer page and API of the simulator; 404 if no terminal is simulated."""
    if not any(terminal.simulated for terminal in conf.current().terminals.values()):
        return HttpResponseNotFound()
    host = request.META.get("HTTP_HOST", "")
    origin = f"{'https' if request.is_secure() else 'http'}://{host}"
    reply = conf.simulator().handle(
        request.method or "GET",
        origin + request.get_full_path(),
        request.headers,
        request.body,
    )
    return HttpResponse(reply.body, status=reply.status, headers=dict(reply.headers))
