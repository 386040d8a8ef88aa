"""Calls about Nexi's hosted page and payment links: a part of ``client.Client``.

None of them has an idempotency key, and none moves money: a customer does, on Nexi's
hosted page. Nothing closes a hosted page that was created. A lost response is harmless,
as nobody has the address; the next attempt needs another order id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final
from urllib.parse import quote

from nexi_payments.exceptions import MismatchedResponse
from nexi_payments.gateway import hosted_payloads, hosted_responses, response_checks
from nexi_payments.gateway.hosted_payloads import BrowserUrls
from nexi_payments.gateway.hosted_responses import HostedPage, PaymentLink
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.gateway.response_checks import CallContext
from nexi_payments.gateway.transport import Reply, Transport

_NO_URLS: Final = BrowserUrls()


class HostedCalls:
    """Needs the ``Transport`` of the client."""

    _transport: Transport

    def create_hosted_page(
        self,
        context: CallContext,
        order: Purchase,
        *,
        payment_service: str | None,
        urls: BrowserUrls,
        language: str,
    ) -> HostedPage:
        """``POST /orders/hpp``: a page of Nexi's on which ``order`` can be paid.

        ``payment_service`` is the code of one method ("PAYPAL", "CARDS" …); ``None``
        offers every method of the terminal. ``urls`` hold tokens: pass the object, so
        that no frame has one. ``language`` is our code, as "it". The page
        is always for an immediate payment: ``order.contract`` and ``order.exemptions``
        are not sent. Raises ``MismatchedResponse`` without an https page."""
        reply = self._transport.exchange(
            "POST",
            "/orders/hpp",
            order_id=order.order_id,
            body=lambda: hosted_payloads.hosted_page(
                order, payment_service, language, urls
            ),
            correlation_id=context.correlation_id,
            deadline=context.deadline,
        )
        page = hosted_responses.parse_hosted_page(reply.body, self._transport.base_url)
        if page is None:
            raise _mismatch("hostedPage", reply, context)
        return page

    def create_payment_link(
        self,
        context: CallContext,
        order: Purchase,
        *,
        expires_on: date,
        language: str,
        urls: BrowserUrls = _NO_URLS,
    ) -> PaymentLink:
        """``POST /orders/paybylink``: a link that can be sent to the customer.

        ``expires_on`` is at most 90 days ahead. Parameters and errors otherwise as in
        ``create_hosted_page``. One link takes one payment."""
        reply = self._post_link(
            "/orders/paybylink",
            lambda: hosted_payloads.payment_link(order, expires_on, language, urls),
            context,
            order_id=order.order_id,
        )
        link = _parsed_link(reply, context)
        if not hosted_responses.is_page_url(link.url, self._transport.base_url):
            raise _mismatch("link", reply, context)
        return link

    def get_payment_link(self, context: CallContext, link_id: str) -> PaymentLink:
        """``GET /orders/paybylink/{linkId}``. ``Rejected`` with 404: unknown."""
        reply = self._transport.exchange(
            "GET",
            f"/orders/paybylink/{quote(link_id, safe='')}",
            correlation_id=context.correlation_id,
            deadline=context.deadline,
        )
        return _parsed_link(reply, context, link_id)

    def renew_payment_link(
        self, context: CallContext, link_id: str, expires_on: date
    ) -> PaymentLink:
        """``POST /orders/paybylink/{linkId}/renewals``: a new last day, at most 90 days
        after the first one."""
        reply = self._post_link(
            f"/orders/paybylink/{quote(link_id, safe='')}/renewals",
            lambda: hosted_payloads.expiration(expires_on),
            context,
        )
        return _parsed_link(reply, context, link_id)

    def cancel_payment_link(self, context: CallContext, link_id: str) -> None:
        """``POST /paybylink/{linkId}/cancels``. A 200 without a body means done.

        ``Rejected`` with PS0045: the link was used, so the order may be paid."""
        self._post_link(
            f"/paybylink/{quote(link_id, safe='')}/cancels",
            dict,
            context,
            ignore_body=True,
        )

    def _post_link(
        self,
        path: str,
        body: Callable[[], Mapping[str, Any]],
        context: CallContext,
        **options: Any,
    ) -> Reply:
        return self._transport.exchange(
            "POST",
            path,
            body=body,
            correlation_id=context.correlation_id,
            deadline=context.deadline,
            **options,
        )


def _parsed_link(reply: Reply, context: CallContext, link_id: str = "") -> PaymentLink:
    """Raise ``UnknownOutcome`` without an id, ``MismatchedResponse`` for another."""
    link = hosted_responses.parse_payment_link(reply.body)
    if link is None:
        raise response_checks.missing_member("linkId", reply, context)
    if link_id and link.link_id != link_id:
        raise _mismatch("linkId", reply, context)
    return link


def _mismatch(member: str, reply: Reply, context: CallContext) -> MismatchedResponse:
    return MismatchedResponse(member, **response_checks.error_ids(reply, context))
