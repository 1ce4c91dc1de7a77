"""Deleting what nothing refers to, without loading all that might."""

from __future__ import annotations

from django.db import IntegrityError, models, transaction

from common.errors import Conflict


def delete_unless_used(row: models.Model, *, name: str) -> None:
    """Delete ``row`` with its parts; ``name`` is what a client calls such a row.

    Raises:
        Conflict: ``in_use``: messages refer to it or to one of its parts.
    """
    in_use = Conflict(f"Messages refer to this {name}; deactivate it instead.", code="in_use")
    if is_used(row):
        raise in_use
    try:
        with transaction.atomic():
            row.delete()
    except (models.ProtectedError, IntegrityError) as error:  # a message came meanwhile
        raise in_use from error


def is_used(row: models.Model) -> bool:
    """Tell whether rows that must stay refer to ``row``, or to one that would go with it.

    Asked before deleting, because Django would load every one of them to name them.
    """
    return _is_used(type(row), path="", key=row.pk)


def _is_used(model: type[models.Model], *, path: str, key: object) -> bool:
    """``path`` leads from a row of ``model`` to the one with that key."""
    for relation in model._meta.related_objects:
        referring, back = relation.related_model, f"{relation.field.name}{path}"
        if relation.on_delete is models.PROTECT:
            used = referring._base_manager.filter(**{back: key}).exists()
        elif relation.on_delete is models.CASCADE and referring is not model:
            used = _is_used(referring, path=f"__{back}", key=key)
        else:
            used = False
        if used:
            return True
    return False
