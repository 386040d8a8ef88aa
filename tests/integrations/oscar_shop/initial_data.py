"""One book, one country, one clerk: run with the settings of this shop."""

from decimal import Decimal

import django


def main() -> None:
    from django.contrib.auth import get_user_model
    from oscar.core.loading import get_model

    get_model("address", "Country").objects.create(
        iso_3166_1_a2="IT",
        iso_3166_1_a3="ITA",
        iso_3166_1_numeric="380",
        printable_name="Italy",
        name="Italian Republic",
        is_shipping_country=True,
    )
    kind = get_model("catalogue", "ProductClass").objects.create(name="Book")
    book = get_model("catalogue", "Product").objects.create(
        title="Il nome della rosa", product_class=kind, upc="1"
    )
    partner = get_model("partner", "Partner").objects.create(name="Store")
    get_model("partner", "StockRecord").objects.create(
        product=book,
        partner=partner,
        partner_sku="1",
        price=Decimal("12.50"),
        price_currency="EUR",
        num_in_stock=10,
    )
    get_user_model().objects.create_superuser("clerk", "clerk@shop.example", "clerk")


if __name__ == "__main__":
    django.setup()
    main()
