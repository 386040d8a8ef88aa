"""The REST API for headless shops: ``include("nexi_payments.api.urls")``.

Needs the extra ``api`` (Django REST framework, drf-spectacular), which is imported by
``urls`` alone: a shop that does not mount it does not pay for it. ``client_secret``
needs neither.
"""

from nexi_payments.api.possession import client_secret

__all__ = ["client_secret"]
