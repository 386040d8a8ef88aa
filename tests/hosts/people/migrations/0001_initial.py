from django.db import migrations

from tests.hosts.people import models

USERS = (models.ByUuid, models.ByNumber, models.ByAddress, models.ByToken)


class Migration(migrations.Migration):
    initial = True
    dependencies = [("auth", "0012_alter_user_first_name_max_length")]
    operations = [
        migrations.CreateModel(
            name=model.__name__,
            fields=[
                (field.name, field.clone())
                for field in (*model._meta.local_fields, *model._meta.local_many_to_many)
            ],
            options={"swappable": "AUTH_USER_MODEL"},
        )
        for model in USERS
    ]
