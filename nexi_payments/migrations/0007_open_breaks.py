from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('nexi_payments', '0006_customer_details'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='break',
            index=models.Index(condition=models.Q(('resolved_at__isnull', True)), fields=['created_at'], name='nexi_open_breaks'),
        ),
    ]
