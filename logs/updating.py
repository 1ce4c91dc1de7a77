"""Changing many messages at once, each in its own way: Django's bulk update takes longer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DateTimeField, Field

from logs.models import EmailLog, EmailStatus

TABLE = EmailLog._meta.db_table
AT_ONCE = 100


def update_each(changes: Mapping[int, Mapping[str, Any]]) -> None:
    """Give each row, by its key, its new values; one statement for those of the same columns.

    Call it inside a transaction that has locked the rows.
    """
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for pk, values in changes.items():
        alike[tuple(values)].append(pk)
    for names, keys in alike.items():
        remaining = iter(keys)
        while some := list(islice(remaining, AT_ONCE)):
            _update(names, {pk: changes[pk] for pk in some})


def lock_held(attempts: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """Lock the rows that these attempts, each a key and a number, still hold and return which."""
    if not attempts:
        return set()
    connection = connections[router.db_for_write(EmailLog)]
    keys = _listed(sorted({pk for pk, _ in attempts}))
    sql = f"SELECT id, attempt FROM {TABLE} WHERE id IN ({keys}) AND status = %s ORDER BY id"  # noqa: S608  names and keys only
    if connection.features.has_select_for_update:
        sql += f" {connection.ops.for_update_sql()}"
    with connection.cursor() as cursor:
        cursor.execute(sql, [EmailStatus.SENDING])
        return set(attempts).intersection(cursor.fetchall())


def _update(names: Sequence[str], rows: Mapping[int, Mapping[str, Any]]) -> None:
    connection = connections[router.db_for_write(EmailLog)]
    by_name = {field.name: field for field in EmailLog._meta.concrete_fields}
    assignments, params = [], list[Any]()
    for name in names:
        sql, own = _assignment(
            by_name[name], {pk: row[name] for pk, row in rows.items()}, connection
        )
        assignments.append(sql)
        params += own
    sql = f"UPDATE {TABLE} SET {', '.join(assignments)} WHERE id IN ({_listed(rows)})"  # noqa: S608  names and keys only
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def _assignment(
    field: Field[Any, Any], values: Mapping[int, Any], connection: BaseDatabaseWrapper
) -> tuple[str, list[Any]]:
    """Return what sets the field and its parameters: a single one where all rows get the same."""
    first, *others = values.values()
    prepared = _prepared(field, connection)
    if all(value == first for value in others):
        return f"{field.column} = %s", [prepared(first)]
    cases = " ".join([f"WHEN {int(pk)} THEN %s" for pk in values])
    return f"{field.column} = CASE id {cases} END", list(map(prepared, values.values()))


def _prepared(field: Field[Any, Any], connection: BaseDatabaseWrapper) -> Callable[[Any], Any]:
    """Return what makes the field's values those of the database."""
    if isinstance(field, DateTimeField):
        return connection.ops.adapt_datetimefield_value
    return partial(field.get_db_prep_save, connection=connection)


def _listed(keys: Iterable[int]) -> str:
    """Return keys as they stand in a statement: as so many parameters they would take longer."""
    return ", ".join([str(int(key)) for key in keys])
