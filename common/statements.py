"""Statements whose SQL is the same at every call.

Django writes a statement anew each time, which costs more than the database's answer; for the
few that every request needs, it is written once in a process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from django.db import connections, router
from django.db.models import Field, Model, QuerySet, Value
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=Model)


class Lookup(Generic[M]):
    """Finds one row by texts and whole numbers, always in the database, never in a cache.

    ``make`` gets as many arguments as ``first`` and returns the queryset; they may be compared
    only, and the queryset must not depend on anything else.
    """

    def __init__(self, model: type[M], make: Callable[..., QuerySet[M]], *, takes: int) -> None:
        self._model, self._make, self._takes = model, make, takes
        self._plans: dict[str, _Plan] = {}

    def first(self, *values: str | int) -> M | None:
        alias = router.db_for_read(self._model)
        plan = self._plans.get(alias)
        if plan is None:
            places = [Value(_Place(number)) for number in range(self._takes)]
            plan = self._plans[alias] = _Plan(self._make(*places).order_by(), alias=alias)
        row: M | None = plan.row(values)
        return row


@dataclass(frozen=True)
class _Place:
    """Stands in the statement's parameters for the argument of this number."""

    number: int


class _Plan:
    """A queryset's SQL for one database, and how rows become objects, as Django does it."""

    def __init__(self, queryset: QuerySet[Any], *, alias: str) -> None:
        self._alias = alias
        self._compiler = compiler = queryset.query.get_compiler(using=alias)
        self._sql, self._params = compiler.as_sql()
        columns = [column for column, _, _ in compiler.select]
        info: Any = compiler.klass_info
        first, last = info["select_fields"][0], info["select_fields"][-1] + 1
        self._own = slice(first, last)
        self._names = [column.target.attname for column in columns[self._own]]
        self._build = info["model"].from_db
        self._related = get_related_populators(info, compiler.select, alias)  # type: ignore[call-arg]  # of 6.1
        self._converters = compiler.get_converters(columns)

    def row(self, values: Sequence[str | int]) -> Any:
        params = [values[one.number] if isinstance(one, _Place) else one for one in self._params]
        with connections[self._alias].cursor() as cursor:
            cursor.execute(self._sql, params)
            found = cursor.fetchone()
        if found is None:
            return None
        row = list(found)
        for position, (converters, column) in self._converters.items():
            for convert in converters:
                row[position] = convert(row[position], column, connections[self._alias])
        made = self._build(self._alias, self._names, row[self._own])
        for related in self._related:
            related.populate(row, made)
        return made


def insert(row: Model) -> None:
    """Store a new row and set its key, as ``row.save(force_insert=True)`` but without signals."""
    connection = connections[router.db_for_write(type(row))]
    sql, fields = _insertion(type(row), connection.alias)
    values = [field.get_db_prep_save(field.pre_save(row, True), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row.pk = cursor.lastrowid
    row._state.adding, row._state.db = False, connection.alias


@lru_cache(maxsize=64)
def _insertion(model: type[Model], alias: str) -> tuple[str, list[Field[Any, Any]]]:
    quote = connections[alias].ops.quote_name
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    names = ", ".join(quote(str(field.column)) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    table = quote(model._meta.db_table)
    return f"INSERT INTO {table} ({names}) VALUES ({places})", fields  # noqa: S608  names only
