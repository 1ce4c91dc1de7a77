"""Writing one message by hand: what staff are asked, and the message that it makes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.models import EmailAccount
from common.errors import Refused, RefusedTogether
from delivery.submission import SUBJECT_LENGTH, Message, read_message
from templates_app import services, studio
from templates_app.analysis import root
from templates_app.models import EmailTemplate
from tenants.models import Tenant, TenantQuerySet

VARIABLE = "var_"
OWN = ("subject", "text", "html")
FIELDS = {"to_address": "to_address", "from_account": "account", "template_id": None}
"""What the contract calls a field, and what the form calls it; None: not of this form."""


class ChoiceForm(forms.Form):
    """Of which tenant, and by which template; the rest of the page follows from these."""

    tenant = forms.ModelChoiceField(
        Tenant.objects.none(), label=gettext_lazy("Tenant"), widget=UnfoldAdminSelectWidget()
    )
    template = forms.ModelChoiceField(
        EmailTemplate.objects.none(),
        label=gettext_lazy("Template"),
        required=False,
        empty_label=gettext_lazy("None: I write it myself"),
        widget=UnfoldAdminSelectWidget(),
    )

    def __init__(self, *args: Any, tenants: TenantQuerySet, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = EmailTemplate.objects.for_tenant(tenant).filter(is_active=True)
        named = rows.only("name", "tenant").order_by("name")
        self.fields["tenant"].queryset = tenants  # type: ignore[attr-defined]
        self.fields["template"].queryset = named  # type: ignore[attr-defined]
        if len(tenants[:2]) == 1:
            self.fields["tenant"].widget = forms.HiddenInput()


class ComposeForm(forms.Form):
    """To whom, from whom and what; of a template its variables, each in a field of its own."""

    account = forms.ModelChoiceField(
        EmailAccount.objects.none(),
        label=pgettext_lazy("of a message", "From"),
        required=False,
        empty_label=gettext_lazy("The default account"),
        widget=UnfoldAdminSelectWidget(),
    )
    to_address = forms.CharField(
        label=pgettext_lazy("of a message", "To"),
        max_length=600,
        help_text=gettext_lazy("An address, or Ana Silva &lt;ana@example.com&gt;"),
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    subject = forms.CharField(
        label=gettext_lazy("Subject"),
        max_length=SUBJECT_LENGTH,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
    )
    text = forms.CharField(
        label=gettext_lazy("Text"),
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 10}),
    )
    html = forms.CharField(
        label=gettext_lazy("HTML"),
        required=False,
        strip=False,
        help_text=gettext_lazy("May be left empty: then the text alone goes."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6, "spellcheck": "false"}),
    )

    def __init__(
        self,
        *args: Any,
        tenant: Tenant,
        template: EmailTemplate | None,
        is_preview: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.tenant, self.template = tenant, template
        self.version = template.current if template else None
        usable = EmailAccount.objects.for_tenant(tenant).filter(
            is_active=True, domain__is_active=True
        )
        self.fields["account"].queryset = usable.order_by("email_address")  # type: ignore[attr-defined]
        if template is not None:
            self._ask_variables(template)
        self.is_preview = is_preview

    def full_clean(self) -> None:
        """Check what was entered; a preview asks for nothing, yet the page says what is needed."""
        needed = [field for field in self.fields.values() if field.required and self.is_preview]
        for field in needed:
            field.required = False
        super().full_clean()
        for field in needed:
            field.required = True

    def _ask_variables(self, template: EmailTemplate) -> None:
        for name in OWN:
            del self.fields[name]
        for name, sample in studio.sample_of(template, self.version).items():
            self.fields[VARIABLE + name] = variable_field(name, sample, is_needed=self._needs(name))

    @property
    def variables(self) -> dict[str, Any]:
        """The template's variables as entered; what was left empty is not given."""
        names = [name for name in self.fields if name.startswith(VARIABLE)]
        given = {name.removeprefix(VARIABLE): self.cleaned_data.get(name) for name in names}
        return {name: value for name, value in given.items() if value not in (None, "")}

    @property
    def own(self) -> dict[str, str]:
        """What was written without a template, with the line ends of everybody but browsers."""
        return {name: self.cleaned_data[name].replace("\r\n", "\n") for name in OWN}

    def message(self, *, by: str) -> Message:
        """Return the message that the form asks for, with who wrote it in its metadata.

        Raises:
            Refused: as ``POST /emails/send`` would, with the contract's names.
        """
        given = self.cleaned_data
        account = given["account"]
        data: dict[str, Any] = {
            "to_address": given["to_address"],
            "from_account": account.pk if account else None,
            "template_id": self.template.pk if self.template else None,
            "metadata": {"sent_by": by},
        }
        own = {"variables": self.variables} if self.template else self.own
        return read_message(data | own, now=timezone.now())

    def shown(self) -> services.Preview:
        """Return what the message would look like; what is missing prints nothing.

        Raises:
            Refused: the template can't be rendered with these variables.
        """
        if self.version is None:
            own = self.own
            return services.Preview(own["subject"], own["html"], own["text"], [])
        return services.preview(
            self.version, variables=self.variables, language=self.tenant.language
        )

    def show(self, refusal: Refused) -> None:
        """Put what was refused at its field."""
        together = refusal.refusals if isinstance(refusal, RefusedTogether) else [refusal]
        for one in together:
            self.add_error(self._field_of(one.attr or ""), one.detail)

    def _field_of(self, attr: str) -> str | None:
        if attr.startswith("variables."):
            name = VARIABLE + root(attr.removeprefix("variables."))
        else:
            name = FIELDS.get(attr, attr) or ""
        return name if name in self.fields else None

    def _needs(self, name: str) -> bool:
        needs = self.version.needs if self.version else []
        return any(root(path) == name and not path.startswith(f"{name}?") for path in needs)


class JsonField(forms.CharField):
    """A list or an object as JSON text; one whose ``pattern`` nobody filled in is empty."""

    def __init__(self, *args: Any, pattern: object, **kwargs: Any) -> None:
        super().__init__(*args, strip=False, **kwargs)
        self.pattern = pattern
        self.initial = json.dumps(pattern, ensure_ascii=False, indent=2)

    def clean(self, value: Any) -> Any:
        found = self._read(str(value or ""))
        if found == self.pattern:
            found = None
        if found is None and self.required:
            raise forms.ValidationError(_("Fill this in."))
        return found

    @staticmethod
    def _read(text: str) -> object:
        try:
            return json.loads(text, parse_constant=refuse_constant) if text.strip() else None
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(_("This is no JSON.")) from error


class NumberField(forms.CharField):
    """A number; what is none goes as it is, since a template may take it all the same."""

    def clean(self, value: Any) -> Any:
        text = str(super().clean(value)).strip()
        try:
            number = json.loads(text, parse_constant=refuse_constant)
        except (ValueError, RecursionError):
            return text
        return number if isinstance(number, int | float) else text


def variable_field(name: str, sample: object, *, is_needed: bool) -> forms.Field:
    """Return the field of a variable whose value is such as ``sample``."""
    if isinstance(sample, bool):
        return forms.BooleanField(label=name, required=False, widget=UnfoldBooleanSwitchWidget())
    common: dict[str, Any] = {"label": name, "required": is_needed}
    if isinstance(sample, list | dict):
        area = UnfoldAdminTextareaWidget(attrs={"rows": 8, "spellcheck": "false"})
        return JsonField(**common, pattern=emptied(sample), widget=area)
    kind = NumberField if isinstance(sample, int | float) else forms.CharField
    return kind(**common, widget=UnfoldAdminTextInputWidget())


def emptied(sample: object) -> object:
    """Return the shape of ``sample`` to be filled in, with one item of each list."""
    if isinstance(sample, Mapping):
        return {key: emptied(value) for key, value in sample.items()}
    if isinstance(sample, list):
        return [emptied(item) for item in sample[:1]]
    return 0 if isinstance(sample, int | float) and not isinstance(sample, bool) else ""


def refuse_constant(name: str) -> None:
    raise ValueError(name)
