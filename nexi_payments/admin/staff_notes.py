"""Notes of staff on a payment: written on its page, never changed."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from nexi_payments import flows, permissions
from nexi_payments.admin.base import StaffPages, get_actor, get_order, show_errors
from nexi_payments.admin.payment_forms import NoteForm


class StaffNotes(StaffPages):
    @property
    def urls(self) -> list[URLPattern]:
        return [self.admin.admin_path("<int:pk>/note/", self.add, "note")]

    def add(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Write a note into the history. Nothing else changes."""
        permissions.require_any(request, *permissions.CAN_WRITE_NOTES)
        order = get_order(request, pk)
        if request.method == "POST":
            form = NoteForm(request.POST)
            if form.is_valid():
                flows.add_note(
                    order, form.cleaned_data["note"], actor=get_actor(request)
                )
                messages.success(request, _("The note is in the history."))
            else:
                show_errors(request, form)
        return self.redirect("change", pk)
