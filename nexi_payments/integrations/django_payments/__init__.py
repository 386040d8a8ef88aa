"""django-payments: ``PAYMENT_VARIANTS`` with ``provider.NexiProvider``.

Add the app to ``INSTALLED_APPS``: its receivers change the status of a payment, in the
process that learns the outcome.
"""
