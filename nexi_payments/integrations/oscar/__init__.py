"""django-oscar: places the order, then shows our card page.

Use ``checkout.NexiCheckout`` in a forked checkout app, and add this app to
``INSTALLED_APPS``: its receivers write sources and transactions, in the process that
learns the outcome.
"""
