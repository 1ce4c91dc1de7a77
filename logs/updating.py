"""Changing many messages at once, each in its own way: Django's bulk update takes longer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field

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
    keys = sorted({pk for pk, _ in attempts})
    places = ", ".join(["%s"] * len(keys))
    sql = f"SELECT id, attempt FROM {TABLE} WHERE id IN ({places}) AND status = %s ORDER BY id"  # noqa: S608  names only
    if connection.features.has_select_for_update:
        sql += f" {connection.ops.for_update_sql()}"
    with connection.cursor() as cursor:
        cursor.execute(sql, [*keys, EmailStatus.SENDING])
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
    places = ", ".join(["%s"] * len(rows))
    sql = f"UPDATE {TABLE} SET {', '.join(assignments)} WHERE id IN ({places})"  # noqa: S608  names only
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, *rows])


def _assignment(
    field: Field[Any, Any], values: Mapping[int, Any], connection: BaseDatabaseWrapper
) -> tuple[str, list[Any]]:
    """Return what sets the field and its parameters: a single one where all rows get the same."""
    first, *others = values.values()
    if all(value == first for value in others):
        return f"{field.column} = %s", [field.get_db_prep_save(first, connection)]
    cases = "WHEN %s THEN %s " * len(values)
    params = [
        part
        for pk, value in values.items()
        for part in (pk, field.get_db_prep_save(value, connection))
    ]
    return f"{field.column} = CASE id {cases}END", params
