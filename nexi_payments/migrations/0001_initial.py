# The first schema

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('contenttypes', '0002_remove_content_type_name'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='PaymentOrder',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(editable=False, max_length=32, unique=True)),
                ('order_id', models.CharField(max_length=18, unique=True, verbose_name='order id at Nexi')),
                ('state', models.CharField(choices=[('init', 'created'), ('awaiting_3ds', 'waiting for the bank'), ('validated', 'confirmed by the bank'), ('paying', 'being charged'), ('authorized', 'authorized'), ('paid', 'paid'), ('failed', 'failed'), ('review', 'to be reviewed'), ('voided', 'voided'), ('refunded', 'refunded')], default='init', max_length=16, verbose_name='state')),
                ('reason', models.CharField(blank=True, max_length=32, verbose_name='reason')),
                ('channel', models.CharField(default='shop', max_length=8)),
                ('terminal', models.CharField(max_length=64, verbose_name='terminal')),
                ('flow', models.CharField(max_length=8, verbose_name='flow')),
                ('capture', models.CharField(max_length=16, verbose_name='capture')),
                ('amount', models.BigIntegerField(verbose_name='amount, minor units')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('authorized_amount', models.BigIntegerField(default=0)),
                ('captured_amount', models.BigIntegerField(default=0)),
                ('refunded_amount', models.BigIntegerField(default=0)),
                ('reference', models.CharField(blank=True, db_index=True, max_length=100, null=True, verbose_name='reference')),
                ('live_reference', models.CharField(editable=False, max_length=100, null=True, unique=True)),
                ('description', models.CharField(blank=True, max_length=255, verbose_name='description')),
                ('customer_name', models.CharField(blank=True, max_length=255, verbose_name='customer')),
                ('customer_email', models.CharField(blank=True, max_length=254, verbose_name='e-mail')),
                ('cardholder_name', models.CharField(blank=True, max_length=255, verbose_name='cardholder')),
                ('object_id', models.CharField(blank=True, max_length=64)),
                ('success_url', models.CharField(blank=True, max_length=500)),
                ('failure_url', models.CharField(blank=True, max_length=500)),
                ('gateway_operation_id', models.CharField(blank=True, db_index=True, max_length=64)),
                ('token_hash', models.CharField(blank=True, editable=False, max_length=64)),
                ('card_brand', models.CharField(blank=True, max_length=16, verbose_name='brand')),
                ('card_bin', models.CharField(blank=True, max_length=6)),
                ('card_last4', models.CharField(blank=True, max_length=4, verbose_name='last four digits')),
                ('card_expiry', models.CharField(blank=True, max_length=4)),
                ('eci', models.CharField(blank=True, max_length=2)),
                ('response_code', models.CharField(blank=True, max_length=8, verbose_name='response code')),
                ('claimed_at', models.DateTimeField(null=True)),
                ('charging_since', models.DateTimeField(null=True)),
                ('pending_at_nexi', models.BooleanField(default=False)),
                ('looks', models.PositiveIntegerField(default=0)),
                ('good_looks', models.PositiveIntegerField(default=0)),
                ('expires_at', models.DateTimeField()),
                ('watch_until', models.DateTimeField(null=True)),
                ('due_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField()),
                ('content_type', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to='contenttypes.contenttype')),
                ('retry_of', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='retries', to='nexi_payments.paymentorder')),
                ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'payment',
                'verbose_name_plural': 'payments',
                'ordering': ('-created_at', '-id'),
                'permissions': [('take_moto', 'Can charge cards by phone (MOTO)'), ('capture_payment', 'Can capture authorized payments'), ('void_payment', 'Can void authorized payments'), ('refund_payment', 'Can refund payments'), ('reconcile_payment', 'Can ask Nexi about payments'), ('resolve_review', 'Can resolve payments under review')],
            },
        ),
        migrations.CreateModel(
            name='TerminalAlarm',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('terminal', models.CharField(max_length=64, unique=True)),
                ('since', models.DateTimeField()),
                ('status', models.PositiveSmallIntegerField(null=True)),
            ],
            options={
                'verbose_name': 'terminal alarm',
                'verbose_name_plural': 'terminal alarms',
            },
        ),
        migrations.CreateModel(
            name='Hold',
            fields=[
                ('order', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='hold', serialize=False, to='nexi_payments.paymentorder')),
                ('pan_blob', models.BinaryField()),
                ('cvv_blob', models.BinaryField(null=True)),
                ('expires_at', models.DateTimeField(db_index=True)),
            ],
            options={
                'verbose_name': 'held card',
                'verbose_name_plural': 'held cards',
            },
        ),
        migrations.CreateModel(
            name='Break',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=32)),
                ('ours', models.CharField(blank=True, max_length=200)),
                ('theirs', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(db_index=True)),
                ('resolved_at', models.DateTimeField(null=True)),
                ('resolved_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('order', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='breaks', to='nexi_payments.paymentorder')),
            ],
            options={
                'verbose_name': 'disagreement',
                'verbose_name_plural': 'disagreements',
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='Operation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('authentication', '3-D Secure start'), ('validation', '3-D Secure check'), ('payment', 'payment'), ('moto', 'phone payment'), ('capture', 'capture'), ('void', 'void'), ('refund', 'refund')], max_length=16, verbose_name='kind')),
                ('outcome', models.CharField(choices=[('open', 'on its way'), ('accepted', 'sent, waiting for Nexi'), ('done', 'done'), ('refused', 'refused'), ('not_sent', 'not sent'), ('in_doubt', 'in doubt')], default='open', max_length=16, verbose_name='outcome')),
                ('open_slot', models.BigIntegerField(editable=False, null=True, unique=True)),
                ('amount', models.BigIntegerField(null=True, verbose_name='amount, minor units')),
                ('correlation_id', models.CharField(max_length=36)),
                ('idempotency_key', models.CharField(blank=True, max_length=63)),
                ('sends', models.PositiveSmallIntegerField(default=1)),
                ('gateway_operation_id', models.CharField(blank=True, db_index=True, max_length=64)),
                ('result', models.CharField(blank=True, max_length=32, verbose_name='result at Nexi')),
                ('response_code', models.CharField(blank=True, max_length=8, verbose_name='response code')),
                ('error', models.CharField(blank=True, max_length=100, verbose_name='error')),
                ('http_status', models.PositiveSmallIntegerField(null=True)),
                ('cid', models.CharField(blank=True, max_length=64, verbose_name='trace id of Nexi')),
                ('address', models.GenericIPAddressField(null=True)),
                ('created_at', models.DateTimeField()),
                ('settled_at', models.DateTimeField(null=True)),
                ('actor', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('order', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='operations', to='nexi_payments.paymentorder')),
            ],
            options={
                'verbose_name': 'operation',
                'verbose_name_plural': 'operations',
                'ordering': ('id',),
            },
        ),
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=16, verbose_name='event')),
                ('from_state', models.CharField(max_length=16, verbose_name='from')),
                ('to_state', models.CharField(max_length=16, verbose_name='to')),
                ('reason', models.CharField(blank=True, max_length=32, verbose_name='reason')),
                ('created_at', models.DateTimeField()),
                ('deliver_at', models.DateTimeField(null=True)),
                ('delivered_at', models.DateTimeField(null=True)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('actor', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('order', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='events', to='nexi_payments.paymentorder')),
                ('operation', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='nexi_payments.operation')),
            ],
            options={
                'verbose_name': 'event',
                'verbose_name_plural': 'events',
                'ordering': ('id',),
            },
        ),
        migrations.AddIndex(
            model_name='paymentorder',
            index=models.Index(fields=['-created_at', '-id'], name='nexi_newest'),
        ),
        migrations.AddIndex(
            model_name='paymentorder',
            index=models.Index(fields=['state', '-created_at', '-id'], name='nexi_state_newest'),
        ),
        migrations.AddIndex(
            model_name='paymentorder',
            index=models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='nexi_due'),
        ),
        migrations.AddConstraint(
            model_name='paymentorder',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ('init', 'awaiting_3ds', 'validated', 'paying', 'authorized', 'paid', 'failed', 'review', 'voided', 'refunded'))), name='nexi_known_state'),
        ),
        migrations.AddConstraint(
            model_name='paymentorder',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gt', 0), ('amount__lte', 999999999999)), name='nexi_amount_in_range'),
        ),
        migrations.AddConstraint(
            model_name='paymentorder',
            constraint=models.CheckConstraint(condition=models.Q(('captured_amount__gte', 0), ('captured_amount__lte', models.F('amount')), ('refunded_amount__gte', 0), ('refunded_amount__lte', models.F('captured_amount'))), name='nexi_refunded_captured_amount'),
        ),
        migrations.AddConstraint(
            model_name='paymentorder',
            constraint=models.CheckConstraint(condition=models.Q(('state', 'review'), models.Q(('live_reference__isnull', False), ('state__in', ['authorized', 'awaiting_3ds', 'init', 'paid', 'paying', 'validated'])), models.Q(('live_reference__isnull', True), ('state__in', ('failed', 'voided', 'refunded'))), _connector='OR'), name='nexi_live_holds_reference'),
        ),
        migrations.AddConstraint(
            model_name='operation',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ('authentication', 'validation', 'payment', 'moto', 'capture', 'void', 'refund')), ('outcome__in', ('open', 'accepted', 'done', 'refused', 'not_sent', 'in_doubt'))), name='nexi_known_operation'),
        ),
        migrations.AddConstraint(
            model_name='operation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('open_slot__isnull', False), ('outcome', 'open')), ('outcome', 'in_doubt'), models.Q(('open_slot__isnull', True), ('outcome__in', ('accepted', 'done', 'refused', 'not_sent'))), _connector='OR'), name='nexi_open_slot'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('deliver_at__isnull', False)), fields=['deliver_at'], name='nexi_undelivered'),
        ),
    ]
