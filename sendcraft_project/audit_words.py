"""What an entry of the audit log says was changed, in the reader's words and time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

from auditlog.models import LogEntry
from django.core.exceptions import FieldDoesNotExist
from django.db.models import BooleanField, DateTimeField, Field
from django.template.defaultfilters import yesno
from django.utils.dateparse import parse_datetime
from django.utils.formats import localize
from django.utils.timezone import is_naive, localtime

from sendcraft_project.audit import CALLED

NOTHING = "–"


def changes(entry: LogEntry) -> Iterator[tuple[str, str, str]]:
    """Yield what each changed field is called, and its values before and after."""
    for name, (before, after) in sorted(entry.changes_dict.items()):
        field = field_of(entry, name)
        yield field_label(entry, name), in_words(before, field), in_words(after, field)


def field_label(entry: LogEntry, name: str) -> str:
    """Return what the field is called in the reader's language, its own name once it is gone."""
    if name in CALLED:
        return str(CALLED[name])
    return str(getattr(field_of(entry, name), "verbose_name", name))


def field_of(entry: LogEntry, name: str) -> Any:
    """Return the field of that name, None once it or its model is gone."""
    model = entry.content_type.model_class()
    try:
        return model._meta.get_field(name) if model else None
    except FieldDoesNotExist:
        return None


def in_words(value: Any, field: Field[Any, Any] | None) -> str:
    """Return a stored value as people write it: the log keeps all of them as Python's text."""
    if value in (None, "", "None"):
        return NOTHING
    text = str(value)
    if isinstance(field, BooleanField):
        return str(yesno(text == "True"))
    if isinstance(field, DateTimeField):
        return _instant(text)
    choices = {str(key): str(label) for key, label in getattr(field, "flatchoices", ())}
    return choices.get(text, text)


def _instant(text: str) -> str:
    try:
        at = parse_datetime(text)
    except ValueError:
        at = None
    if at is None:
        return text
    return str(localize(localtime(at.replace(tzinfo=UTC) if is_naive(at) else at)))
