"""A page that asks for donations, what donors promised, and what came in."""

import secrets
from decimal import Decimal

from django import forms
from django.db import models
from django.shortcuts import redirect
from django.urls import reverse
from wagtail.fields import RichTextField
from wagtail.models import Page

from nexi_payments import flows


def new_number():
    return f"G-{secrets.token_hex(6)}"


class Pledge(models.Model):
    number = models.CharField(max_length=20, unique=True, default=new_number)
    donor = models.EmailField()
    total = models.DecimalField(max_digits=12, decimal_places=2)
    is_monthly = models.BooleanField(default=False)
    status = models.CharField(max_length=12, default="open")
    captured = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    refunded = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    last_return = models.CharField(max_length=20, blank=True)

    def __str__(self):
        return self.number

    def payment(self, user):
        """Of this pledge: the live one, or a new one."""
        page = reverse("pledge", args=[self.number])
        monthly = flows.ContractTerms(
            "Trees for Brianza, monthly", interval_days=30, amount=self.total
        )
        return flows.create_order(
            amount=self.total,
            currency="EUR",
            reference=self.number,
            description="Trees for Brianza",
            customer={"email": self.donor},
            user=user,
            success_url=page,
            failure_url=page,
            content_object=self,
            contract=monthly if self.is_monthly else None,
        )


class Gift(models.Model):
    """A month of a pledge."""

    pledge = models.ForeignKey(Pledge, models.PROTECT, related_name="gifts")
    number = models.CharField(max_length=100, unique=True)
    total = models.DecimalField(max_digits=12, decimal_places=2)

    def __str__(self):
        return self.number


class PledgeForm(forms.Form):
    donor = forms.EmailField()
    total = forms.DecimalField(min_value=Decimal(1), max_digits=8, decimal_places=2)
    is_monthly = forms.BooleanField(required=False)


class DonationPage(Page):
    intro = RichTextField(blank=True)
    content_panels = [*Page.content_panels, "intro"]

    def serve(self, request, *args, **kwargs):
        form = PledgeForm(request.POST or None)
        if form.is_valid():
            pledge = Pledge.objects.create(**form.cleaned_data)
            return redirect(pledge.payment(request.user))
        request.donation_form = form
        return super().serve(request, *args, **kwargs)

    def get_context(self, request, *args, **kwargs):
        context = super().get_context(request, *args, **kwargs)
        return {**context, "form": request.donation_form}
