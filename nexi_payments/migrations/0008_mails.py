from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("nexi_payments", "0007_open_breaks")]

    operations = [
        migrations.AddField(
            model_name="contract",
            name="warned_expiry",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=4
            ),
        ),
        migrations.AddField(
            model_name="event",
            name="mailed_at",
            field=models.DateTimeField(null=True),
        ),
    ]
