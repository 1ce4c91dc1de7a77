"""What staff fill in about suppressions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from common.addresses import normalized, parse_address
from common.errors import Refused
from common.text import check_text
from delivery.models import Suppression, SuppressionReason
from delivery.suppression_lists import FILE_LIMIT_BYTES
from tenants.admin_base import OneTenantForm
from tenants.models import Tenant, TenantQuerySet


class SuppressionForm(OneTenantForm):
    """Stores the address in the one form under which its spellings meet."""

    def clean_address(self) -> str:
        try:
            return normalized(parse_address(self.cleaned_data["address"], attr="address"))
        except Refused as refusal:
            raise forms.ValidationError(refusal.detail) from refusal

    def clean_topic(self) -> str:
        return one_line(self.cleaned_data["topic"])

    def clean_expires_at(self) -> datetime | None:
        expires_at: datetime | None = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise forms.ValidationError(_("This time has passed."))
        return expires_at

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.errors and not self.instance.pk and self._is_there(cleaned or {}):
            raise forms.ValidationError(_("This address is suppressed already."))
        return cleaned

    @staticmethod
    def _is_there(cleaned: dict[str, Any]) -> bool:
        """Tell whether the entry is in force; one that has ended makes room."""
        wanted = {name: cleaned[name] for name in ("tenant", "address", "topic")}
        return Suppression.objects.in_force(at=timezone.now()).filter(**wanted).exists()

    def _get_validation_exclusions(self) -> set[str]:
        """Leave out the table's constraint, in whose way an ended entry would be."""
        return {*super()._get_validation_exclusions(), "topic"}  # type: ignore[misc]  # no stub


class TenantForm(forms.Form):
    """Asks in which tenant, unless the user has only one."""

    tenant = forms.ModelChoiceField(
        label=_("Tenant"), queryset=Tenant.objects.none(), widget=UnfoldAdminSelectWidget()
    )

    def __init__(self, *args: Any, tenants: TenantQuerySet, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["tenant"]
        field.queryset = tenants  # type: ignore[attr-defined]
        only = list(tenants[:2])
        if len(only) == 1:
            field.initial, field.widget = only[0].pk, forms.HiddenInput()


class ImportForm(TenantForm):
    """A list to take over."""

    file = forms.FileField(label=_("File"), widget=UnfoldAdminFileFieldWidget())
    reason = forms.ChoiceField(
        label=_("Reason"),
        choices=SuppressionReason.choices,
        initial=SuppressionReason.MANUAL,
        help_text=_("For lines that name none."),
        widget=UnfoldAdminSelectWidget(),
    )
    topic = forms.CharField(
        label=_("Topic"),
        max_length=50,
        required=False,
        help_text=_("For lines that name none. Empty: no mail at all."),
        widget=UnfoldAdminTextInputWidget(),
    )

    def clean_file(self) -> UploadedFile[bytes]:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > FILE_LIMIT_BYTES:
            raise forms.ValidationError(_("The file is larger than 25 MB."))
        return file

    def clean_topic(self) -> str:
        return one_line(self.cleaned_data["topic"])


class ExportForm(TenantForm):
    """Which entries a file shall hold."""

    reason = forms.ChoiceField(
        label=_("Reason"),
        choices=[("", _("all")), *SuppressionReason.choices],
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
    topic = forms.CharField(
        label=_("Topic"),
        max_length=50,
        required=False,
        help_text=_("Empty: all."),
        widget=UnfoldAdminTextInputWidget(),
    )
    in_force = forms.BooleanField(
        label=_("Only those in force"),
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget(),
    )


def one_line(text: str) -> str:
    try:
        return check_text(text, "topic")
    except Refused as refusal:
        raise forms.ValidationError(refusal.detail) from refusal
