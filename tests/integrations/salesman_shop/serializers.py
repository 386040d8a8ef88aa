from rest_framework import serializers

from tests.integrations.salesman_shop.models import Coffee


class CoffeeSerializer(serializers.ModelSerializer):
    class Meta:
        model = Coffee
        fields = ["name", "code"]
