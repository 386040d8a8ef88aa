from django.apps import AppConfig


class DonationSite(AppConfig):
    name = "tests.integrations.donation_site"
    default_auto_field = "django.db.models.AutoField"

    def ready(self):
        from tests.integrations.donation_site import receivers  # noqa: F401
