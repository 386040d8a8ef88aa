"""The audit trail of staff: who did what, when and from which address.

Staff's actions on payments are rows of their own, written in the commit of the action
(``Event``, ``Operation``, ``CardVerification``). Other accesses are written by
``record_access``. The reconciler copies both into ``AuditEntry`` (``append_due``), a
chain of hashes: no commit about money waits for it.
"""

from nexi_payments.audit.chain import append_due, head
from nexi_payments.audit.inbox import Shell, record_access
from nexi_payments.audit.verification import Verification, verify

__all__ = ["Shell", "Verification", "append_due", "head", "record_access", "verify"]
