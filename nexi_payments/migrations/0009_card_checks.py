from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('nexi_payments', '0008_mails'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='cardcheck',
            options={'default_permissions': ('view',), 'ordering': ('-created_at', '-id'), 'verbose_name': 'card check', 'verbose_name_plural': 'card checks'},
        ),
        migrations.AlterModelOptions(
            name='paymentorder',
            options={'ordering': ('-created_at', '-id'), 'permissions': [('take_moto', 'Can charge cards by phone (MOTO)'), ('capture_payment', 'Can capture authorized payments'), ('void_payment', 'Can void authorized payments'), ('refund_payment', 'Can refund payments'), ('reconcile_payment', 'Can ask Nexi about payments'), ('resolve_review', 'Can resolve payments under review'), ('cancel_capture', 'Can cancel captures'), ('charge_contract', 'Can charge cards on file'), ('end_contract', 'Can end cards on file'), ('verify_card', 'Can verify cards for nothing')], 'verbose_name': 'payment', 'verbose_name_plural': 'payments'},
        ),
        migrations.AlterField(
            model_name='cardcheck',
            name='outcome',
            field=models.CharField(choices=[('open', 'being asked'), ('done', 'good'), ('refused', 'refused'), ('not_sent', 'no bank was asked'), ('in_doubt', 'in doubt')], default='open', max_length=16, verbose_name='outcome'),
        ),
    ]
