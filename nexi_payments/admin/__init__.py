"""What staff see. Payments are looked at here, never edited and never deleted."""

from nexi_payments.admin.orders import PaymentOrderAdmin

__all__ = ["PaymentOrderAdmin"]
