"""Writing one message by hand: what staff are asked, and the message that it makes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
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
from common.text import has_lone_surrogate
from delivery.errors import TooLarge
from delivery.mime_parts import OCTET_STREAM
from delivery.submission import SUBJECT_LENGTH, Message, read_message
from templates_app import services, studio
from templates_app.analysis import root
from templates_app.models import EmailTemplate
from tenants.models import Tenant, TenantQuerySet

VARIABLE = "var_"
OWN = ("subject", "text", "html")
COPIES = ("cc", "bcc", "reply_to")
FILES = "attachments"
# Addresses with separators between them; one in a quoted name belongs to the name.
SEPARATED = re.compile(r'(?:[^,;"\n]|"(?:[^"\\]|\\.)*"|")+')
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


class FilesInput(forms.FileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Any number of files."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[bytes]]:
        return [super(FilesField, self).clean(file, initial) for file in data or []]


def copies_field(label: Any, *, help_text: Any = "") -> forms.CharField:
    """Return the field of a line that holds several addresses."""
    return forms.CharField(
        label=label,
        max_length=5000,
        required=False,
        help_text=help_text,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )


class ComposeForm(forms.Form):
    """To whom, from whom and what; of a template its variables, each in a field of its own.

    ``lost`` names files that were chosen before, on a page that came back: no browser keeps
    them, so they are asked for again, or for leave to go without.
    """

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
    cc = copies_field(
        pgettext_lazy("of a message", "Cc"),
        help_text=gettext_lazy("Several addresses have commas between them."),
    )
    bcc = copies_field(pgettext_lazy("of a message", "Bcc"))
    reply_to = copies_field(pgettext_lazy("of a message", "Reply to"))
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

    attachments = FilesField(
        label=gettext_lazy("Files"), required=False, allow_empty_file=True, max_length=255
    )

    def __init__(
        self,
        *args: Any,
        tenant: Tenant,
        template: EmailTemplate | None,
        is_preview: bool = False,
        lost: Sequence[str] = (),
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
        self.fields[FILES] = self.fields.pop(FILES)  # after the variables
        self.is_preview = is_preview
        self._listed: dict[str, list[str]] = {}
        self.lost: list[str] = []
        self._lose(lost)

    def full_clean(self) -> None:
        """Check what was entered; a preview asks for nothing, yet the page says what is needed."""
        needed = [field for field in self.fields.values() if field.required and self.is_preview]
        for field in needed:
            field.required = False
        super().full_clean()
        for field in needed:
            field.required = True

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        has_files = given.get(FILES) or given.get("without_files")
        if self.lost and not has_files and not self.is_preview and FILES not in self.errors:
            self.add_error(FILES, self.told_lost())
        return given

    def give_back(self) -> None:
        """Say which files must be chosen again; call it before the form is shown once more."""
        chosen = [str(file.name) for file in self.files.getlist(FILES)]
        self._lose(chosen)
        if chosen:  # what was said of others does not hold for these
            posted = cast(QueryDict, self.data).copy()
            posted["without_files"] = ""
            self.data = posted
        wanted = self.lost if not self.cleaned_data.get("without_files") else chosen
        if wanted and self.told_lost() not in self.errors.get(FILES, []):
            self.add_error(FILES, self.told_lost())

    def _lose(self, names: Sequence[str]) -> None:
        if names:
            self.lost = list(names)
            self.fields["without_files"] = forms.BooleanField(
                label=_("Send it without these files"),
                required=False,
                widget=UnfoldBooleanSwitchWidget(),
            )

    def told_lost(self) -> str:
        """Return in words which files must be chosen again."""
        return _("Please choose again: %(files)s") % {"files": ", ".join(self.lost)}

    # The parts in which the page shows it

    @property
    def head(self) -> list[forms.BoundField]:
        return [self["account"], self["to_address"]]

    @property
    def copies(self) -> list[forms.BoundField]:
        return [self[name] for name in COPIES]

    @property
    def has_copies(self) -> bool:
        return any(self[name].value() or self[name].errors for name in COPIES)

    @property
    def rest(self) -> list[forms.BoundField]:
        shown = {"account", "to_address", *COPIES}
        return [field for field in self if field.name not in shown]

    @property
    def unasked(self) -> list[tuple[str, str]]:
        """What was entered for another choice, kept in case that comes back."""
        given = self.data if self.is_bound else self.initial
        return [
            (name, value)
            for name, value in given.items()
            if (name in OWN or name.startswith(VARIABLE)) and name not in self.fields and value
        ]

    # What was entered

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
        self._listed = {name: separated(given[name]) for name in COPIES}
        self._listed[FILES] = [str(file.name) for file in given[FILES]]
        data: dict[str, Any] = {
            "to_address": given["to_address"],
            **{name: self._listed[name] for name in COPIES},
            FILES: in_base64(given[FILES]),
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
            attr = one.attr or ""
            named = self._item(attr)
            self.add_error(self._field_of(attr), f"{named}: {one.detail}" if named else one.detail)

    def _field_of(self, attr: str) -> str | None:
        first = attr.partition(".")[0]
        if first == "variables":
            name = VARIABLE + root(attr.removeprefix("variables."))
        else:
            name = FIELDS.get(first, first) or ""
        return name if name in self.fields else None

    def _item(self, attr: str) -> str:
        """Return the address or file that ``cc.0`` or ``attachments.0.filename`` means."""
        name, _dot, rest = attr.partition(".")
        number = rest.partition(".")[0]
        listed = self._listed.get(name, [])
        return listed[int(number)] if number.isdecimal() and int(number) < len(listed) else ""

    def _needs(self, name: str) -> bool:
        needs = self.version.needs if self.version else []
        return any(root(path) == name and not path.startswith(f"{name}?") for path in needs)


def separated(text: str) -> list[str]:
    """Return the addresses that a line holds, as they were written."""
    return [one.strip() for one in SEPARATED.findall(text) if one.strip()]


def in_base64(files: Iterable[UploadedFile[bytes]]) -> list[dict[str, str]]:
    """Return uploaded files as ``POST /emails/send`` takes them.

    Raises:
        TooLarge: together they are over the limit; they are not read then.
    """
    chosen = list(files)
    if sum(file.size or 0 for file in chosen) > settings.MESSAGE_LIMIT_BYTES:
        raise TooLarge(attr=FILES)
    return [
        {
            "filename": str(file.name),
            "content_type": file.content_type or OCTET_STREAM,
            "content": base64.b64encode(file.read()).decode(),
        }
        for file in chosen
    ]


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
            found = json.loads(text, parse_constant=refuse_constant) if text.strip() else None
            is_text = not has_lone_surrogate(found)
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(_("This is no JSON.")) from error
        if not is_text:
            raise forms.ValidationError(_("Half of a surrogate pair is no character."))
        return found


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
