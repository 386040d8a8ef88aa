from django.apps import AppConfig


class SalesmanShop(AppConfig):
    name = "tests.integrations.salesman_shop"

    def ready(self):
        from tests.integrations.salesman_shop import receivers  # noqa: F401
