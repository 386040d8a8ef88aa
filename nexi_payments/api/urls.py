"""URLs of the REST API, for any prefix:

``path("api/payments/", include("nexi_payments.api.urls"))``
"""

from django.urls import path

from nexi_payments.api import (
    approvals,
    card_verification,
    checkout,
    contracts,
    hosted_page,
    moto,
    nexi_links,
    orders,
)
from nexi_payments.api.views import as_view

app_name = "nexi_payments_api"

urlpatterns = [
    path("orders/", as_view(orders.OrdersView), name="orders"),
    path("orders/<str:id>/", as_view(orders.OrderView), name="order"),
    path(
        "orders/<str:id>/operations/", as_view(orders.OperationsView), name="operations"
    ),
    path("orders/<str:id>/capture/", as_view(orders.CaptureView), name="capture"),
    path("orders/<str:id>/void/", as_view(orders.VoidView), name="void"),
    path("orders/<str:id>/refund/", as_view(orders.RefundView), name="refund"),
    path("orders/<str:id>/cancel/", as_view(orders.CancelView), name="cancel"),
    path(
        "orders/<str:id>/cancel-capture/",
        as_view(orders.CancelCaptureView),
        name="cancel_capture",
    ),
    path("orders/<str:id>/reconcile/", as_view(orders.ReconcileView), name="reconcile"),
    path(
        "orders/<str:id>/nexi-link/",
        as_view(nexi_links.NexiLinkView),
        name="nexi_link",
    ),
    path(
        "orders/<str:id>/nexi-link/renew/",
        as_view(nexi_links.RenewNexiLinkView),
        name="renew_nexi_link",
    ),
    path(
        "orders/<str:id>/nexi-link/cancel/",
        as_view(nexi_links.CancelNexiLinkView),
        name="cancel_nexi_link",
    ),
    path("contracts/", as_view(contracts.ContractsView), name="contracts"),
    path("contracts/<str:id>/", as_view(contracts.ContractView), name="contract"),
    path(
        "contracts/<str:id>/charge/",
        as_view(contracts.ChargeContractView),
        name="charge",
    ),
    path("contracts/<str:id>/end/", as_view(contracts.EndContractView), name="end"),
    path("approvals/", as_view(approvals.ApprovalsView), name="approvals"),
    path("approvals/<str:id>/", as_view(approvals.ApprovalView), name="approval"),
    path("approvals/<str:id>/approve/", as_view(approvals.ApproveView), name="approve"),
    path("approvals/<str:id>/refuse/", as_view(approvals.RefuseView), name="refuse"),
    path("moto/", as_view(moto.MotoView), name="moto"),
    path(
        "card-verifications/",
        as_view(card_verification.CardVerificationsView),
        name="card_verifications",
    ),
    path(
        "card-verifications/<str:id>/",
        as_view(card_verification.CardVerificationView),
        name="card_verification",
    ),
    path("checkout/<str:id>/", as_view(checkout.CheckoutView), name="checkout"),
    path("checkout/<str:id>/pay/", as_view(checkout.PayView), name="pay"),
    path(
        "checkout/<str:id>/methods/",
        as_view(hosted_page.MethodsView),
        name="methods",
    ),
    path(
        "checkout/<str:id>/hosted/",
        as_view(hosted_page.HostedPageView),
        name="hosted",
    ),
    path(
        "checkout/<str:id>/continue/", as_view(checkout.ContinueView), name="continue"
    ),
]
