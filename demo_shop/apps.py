from django.apps import AppConfig


class DemoShopConfig(AppConfig):
    name = "demo_shop"
    verbose_name = "Demo shop"

    def ready(self) -> None:
        from demo_shop import receivers  # noqa: F401  connects them
