from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('nexi_payments', '0009_card_checks'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='paymentorder',
            index=models.Index(condition=models.Q(('channel__in', ['link', 'moto'])), fields=['state', '-created_at', '-id'], name='nexi_desk_state_newest'),
        ),
    ]
