"""Changing many messages at once, each in its own way: Django's bulk update takes longer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from django.db import connections, router

from logs.models import EmailLog

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


def _update(names: Sequence[str], rows: Mapping[int, Mapping[str, Any]]) -> None:
    connection = connections[router.db_for_write(EmailLog)]
    by_name = {field.name: field for field in EmailLog._meta.concrete_fields}
    quote = connection.ops.quote_name
    key = quote(str(EmailLog._meta.pk.column))
    assignments, params = [], list[Any]()
    for name in names:
        field = by_name[name]
        values = {pk: field.get_db_prep_save(row[name], connection) for pk, row in rows.items()}
        assignments.append(f"{quote(str(field.column))} = {_value(values, key=key)}")
        params += _params(values)
    places = ", ".join(["%s"] * len(rows))
    table = quote(EmailLog._meta.db_table)
    sql = f"UPDATE {table} SET {', '.join(assignments)} WHERE {key} IN ({places})"  # noqa: S608  names only
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, *rows])


def _value(values: Mapping[int, Any], *, key: str) -> str:
    return "%s" if _are_equal(values) else f"CASE {key} {'WHEN %s THEN %s ' * len(values)}END"


def _params(values: Mapping[int, Any]) -> list[Any]:
    if _are_equal(values):
        return [next(iter(values.values()))]
    return [part for pair in values.items() for part in pair]


def _are_equal(values: Mapping[int, Any]) -> bool:
    first = next(iter(values.values()))
    return all(value == first for value in values.values())
