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
    except (models.ProtectedError, models.RestrictedError, IntegrityError) as error:
        raise in_use from error  # a message came meanwhile


def is_used(row: models.Model) -> bool:
    """Tell whether rows that must stay refer to ``row``, or to one that would go with it.

    Asked before deleting, because Django would load every one of them to name them.
    """
    return _is_used(type(row), row, path="")


def _is_used(model: type[models.Model], root: models.Model, *, path: str) -> bool:
    """``path`` leads from a row of ``model`` to ``root``, the row that is to go."""
    for relation in _relations(model):
        referring, back = relation.related_model, f"{relation.field.name}{path}"
        if relation.on_delete in (models.PROTECT, models.RESTRICT):
            rows = referring._base_manager.filter(**{back: root.pk})
            if relation.on_delete is models.RESTRICT:
                rows = rows.exclude(_goes_with(root, referring))
            used = rows.exists()
        elif relation.on_delete is models.CASCADE and referring is not model:
            used = _is_used(referring, root, path=f"__{back}")
        else:
            used = False
        if used:
            return True
    return False


def _goes_with(root: models.Model, referring: type[models.Model]) -> models.Q:
    """Match what would go with ``root`` itself, by a field of its own: that may be restricted."""
    goes = models.Q(pk__in=[])
    for relation in _relations(type(root)):
        if relation.related_model is referring and relation.on_delete is models.CASCADE:
            goes |= models.Q(**{relation.field.name: root.pk})
    return goes


def _relations(model: type[models.Model]) -> list[models.ForeignObjectRel]:
    """Return what refers to ``model`` by a foreign key, those without a ``related_name`` too."""
    fields = model._meta.get_fields(include_hidden=True)
    return [one for one in fields if isinstance(one, models.ManyToOneRel)]
