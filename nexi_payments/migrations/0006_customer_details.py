import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("nexi_payments", "0005_contracts")]

    operations = [
        migrations.CreateModel(
            name="CustomerDetails",
            fields=[
                (
                    "order",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="details",
                        serialize=False,
                        to="nexi_payments.paymentorder",
                    ),
                ),
                ("told", models.JSONField(default=dict)),
                ("left_out", models.JSONField(default=list)),
            ],
            options={
                "verbose_name": "customer details",
                "verbose_name_plural": "customer details",
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="operation",
            name="warnings",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                max_length=200,
                verbose_name="warnings of Nexi",
            ),
        ),
    ]
