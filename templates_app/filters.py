"""The filters of the template language, each bounded and counted.

minijinja's own filters can inflate or take long on large values. These charge every character
they read or make to one allowance per render, so that no combination of them runs away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from html import unescape
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape
from markupsafe import _escape_inner as escaped  # type: ignore[attr-defined]  # without a Markup

from templates_app import formats
from templates_app.registry import (
    FILTERS,
    OPERATIONS,
    REQUIRED,
    Filter,
    Parameter,
    operation,
    register,
)
from templates_app.work import JOB, MAX_OUTPUT, Fault

MAX_NUMBER_TEXT = 40
SHORT = 100


def _short(most: int, *, least: int = 0) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and least <= len(value) <= most


def _between(least: int, most: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _is_attribute(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z]\w{0,99}", value) is not None


def _is_currency(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Z]{3}", value) is not None


def _is_style(value: object) -> bool:
    return value in ("short", "long")


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float))


def _text(value: object) -> str:
    """Return ``value`` as it would be printed, charged."""
    if isinstance(value, str):
        JOB.charge(len(value))
        return value
    if isinstance(value, (dict, list)):
        raise Fault("a list or an object is not text")
    return "" if value is None else str(value)


def _made(text: str) -> str:
    JOB.charge(len(text))
    return text


def _sequence(value: object) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Fault("this is not a list")
    JOB.charge(len(value) * 10)
    return value


def _number(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Fault("this is not a number")
    text = str(value)
    number = _parsed(text) if len(text) < MAX_NUMBER_TEXT else None
    if number is None:
        raise Fault("this is not a number")
    return number


@lru_cache(maxsize=4096)  # the same prices come in the HTML and the text, and for many recipients
def _parsed(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < formats.LARGEST else None


def _moment(value: object) -> datetime:
    if isinstance(value, str) and len(value) <= MAX_NUMBER_TEXT:
        try:
            return datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise Fault("this is not a date in ISO form") from error
    raise Fault("this is not a date in ISO form")


def _attribute(item: object, name: str | None) -> object:
    if name is None:
        return item
    return item.get(name) if isinstance(item, dict) else None


@register("upper")
def _upper(value: object) -> str:
    return _made(_text(value).upper())


@register("lower")
def _lower(value: object) -> str:
    return _made(_text(value).lower())


@register("title")
def _title(value: object) -> str:
    text = re.sub(r"\S+", lambda word: word[0][:1].upper() + word[0][1:].lower(), _text(value))
    return _made(text)


@register("capitalize")
def _capitalize(value: object) -> str:
    return _made(_text(value).capitalize())


@register("trim")
def _trim(value: object) -> str:
    return _text(value).strip()


@register("string")
def _string(value: object) -> str:
    return _text(value)


@register(
    "truncate",
    parameters=(
        Parameter("length", 255, _between(1, 100_000)),
        Parameter("end", "…", _short(16)),
    ),
)
def _truncate(value: object, length: int, end: str) -> str:
    text = _text(value)
    if len(text) <= length:
        return text
    return text[: max(length - len(end), 0)].rstrip() + end


@register(
    "replace",
    parameters=(
        Parameter("old", REQUIRED, _short(100, least=1)),
        Parameter("new", REQUIRED, _short(100)),
    ),
)
def _replace(value: object, old: str, new: str) -> str:
    text = _text(value)
    JOB.charge(text.count(old) * len(new))
    return text.replace(old, new)


@register("urlencode")
def _urlencode(value: object) -> str:
    return _made(quote(_text(value).encode("utf-8", "replace"), safe=""))


@register("striptags")
def _striptags(value: object) -> str:
    text = re.sub(r"<[^<>]*>", " ", _text(value))
    return _made(unescape(" ".join(text.split())))


@register("nl2br", plain=None)
def _nl2br(value: object) -> Markup:
    lines = (escape(line) for line in _text(value).splitlines())
    return Markup(_made("<br>\n".join(lines)))  # noqa: S704  # every line is escaped


@register("escape", "e", plain=None)
def _escape(value: object) -> Markup:
    escaped = escape(_text(value))
    JOB.charge(len(escaped))
    return escaped


@register("safe", plain="striptags")
def _safe(value: object) -> object:
    return value  # only its name counts: minijinja's own marks the value and costs nothing


@register("length", "count")
def _length(value: object) -> int:
    return len(value) if isinstance(value, (dict, list)) else len(_text(value))


@register("first")
def _first(value: object) -> object:
    items = _sequence(value)
    return items[0] if items else None


@register("last")
def _last(value: object) -> object:
    items = _sequence(value)
    return items[-1] if items else None


@register(
    "join",
    parameters=(
        Parameter("d", "", _short(16)),
        Parameter("attribute", None, _is_attribute),
    ),
)
def _join(value: object, separator: str, attribute: str | None) -> str:
    parts = [_text(_attribute(item, attribute)) for item in _sequence(value)]
    JOB.charge(len(parts) * len(separator))
    return separator.join(str(part) for part in parts)


@register("map", parameters=(Parameter("attribute", REQUIRED, _is_attribute),))
def _map(value: object, attribute: str) -> list[object]:
    return [_attribute(item, attribute) for item in _sequence(value)]


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


@register(
    "sort",
    parameters=(
        Parameter("reverse", default=False, accepts=_is_flag),
        Parameter("attribute", default=None, accepts=_is_attribute),
    ),
)
def _sort(value: object, reverse: bool, attribute: str | None) -> list[object]:
    def order(item: object) -> tuple[int, Any]:
        key = _attribute(item, attribute)
        if isinstance(key, (int, float)):
            return 1, key
        return (0, "") if key is None else (2, _text(key).casefold())

    items = _sequence(value)
    JOB.charge(len(items) * 50)
    return sorted(items, key=order, reverse=reverse)


@register("reverse")
def _reverse(value: object) -> list[object]:
    return _sequence(value)[::-1]


@register("unique")
def _unique(value: object) -> list[object]:
    seen: dict[str, object] = {}
    for item in _sequence(value):
        seen.setdefault(f"{type(item).__name__}:{_text(item)}", item)
    return list(seen.values())


@register("items")
def _items(value: object) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, dict):
        raise Fault("this is not an object")
    JOB.charge(len(value) * 10)
    return [list(pair) for pair in value.items()]


@register("int", parameters=(Parameter("default", 0, _is_scalar),))
def _int(value: object, default: object) -> object:
    try:
        return int(_number(value))
    except Fault:
        return default


@register("float", parameters=(Parameter("default", 0.0, _is_scalar),))
def _float(value: object, default: object) -> object:
    try:
        return float(_number(value))
    except Fault:
        return default


@register("round", parameters=(Parameter("precision", 0, _between(0, 6)),))
def _round(value: object, precision: int) -> float | int:
    exact = formats.rounded(_number(value), decimals=precision)
    return float(exact) if precision else int(exact)


@register("abs")
def _abs(value: object) -> float | int:
    return _plain_number(abs(_number(value)))


@register("number", parameters=(Parameter("decimals", 0, _between(0, 6)),))
def _format_number(value: object, decimals: int) -> str:
    if value is None or value == "":
        return ""
    return formats.number(_number(value), decimals=decimals, language=JOB.language)


@register("money", parameters=(Parameter("currency", "EUR", _is_currency),))
def _money(value: object, currency: str) -> str:
    if value is None or value == "":
        return ""
    return formats.money(_number(value), currency=currency, language=JOB.language)


@register("date", parameters=(Parameter("style", "short", _is_style),))
def _date(value: object, style: str) -> str:
    if value is None or value == "":
        return ""
    return formats.day(_moment(value), style=style, language=JOB.language)


@register("datetime", parameters=(Parameter("style", "short", _is_style),))
def _datetime(value: object, style: str) -> str:
    if value is None or value == "":
        return ""
    return formats.moment(_moment(value), style=style, language=JOB.language)


@operation("_field")
def _field(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


@operation("_has")
def _has(value: object, name: str) -> bool:
    return isinstance(value, dict) and name in value


@operation("_default")
def _default(value: object, default: object, boolean: object = None) -> object:
    return default if value is None or (boolean and not value) else value


@operation("_each")
def _each(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value)
    return _sequence(value)


@operation("_within")
def _within(value: object, container: object) -> bool:
    if isinstance(value, (dict, list)):
        raise Fault("only text and numbers are looked for with 'in'")
    if isinstance(container, str):
        return _text(value) in _text(container)
    if isinstance(container, dict):
        return value in container
    return any(value == item for item in _sequence(container))


@operation("_compare")
def _compare(left: object, sign: str, right: object) -> bool:
    for side in (left, right):
        if isinstance(side, str):
            JOB.charge(len(side))
        elif isinstance(side, (dict, list)):
            raise Fault("lists and objects are not compared")
    if sign in ("==", "!="):
        return (left == right) is (sign == "==")
    if type(left) is not type(right) and not _both_numbers(left, right):
        raise Fault("text and numbers are not compared")
    return _ordered(left, sign, right)


def _ordered(left: Any, sign: str, right: Any) -> bool:
    if left is None:
        raise Fault("nothing is not compared")
    if sign in ("<", "<="):
        return bool(left < right) or (sign == "<=" and left == right)
    return bool(left > right) or (sign == ">=" and left == right)


def _both_numbers(left: object, right: object) -> bool:
    return isinstance(left, (int, float)) and isinstance(right, (int, float))


@operation("_calculate")
def _calculate(left: object, sign: str, right: object) -> object:
    if sign == "+" and isinstance(left, str) and isinstance(right, str):
        return _made(left + right)
    first, second = _number(left), _number(right)
    if sign in ("/", "//") and not second:
        raise Fault("a division by 0")
    if sign == "+":
        return _plain_number(first + second)
    if sign == "-":
        return _plain_number(first - second)
    return _plain_number(first / second if sign == "/" else first // second)


def _plain_number(value: Decimal) -> float | int:
    return int(value) if value == value.to_integral_value() else float(value)


@operation("_divisible")
def _divisible(value: object, divisor: int) -> bool:
    return _number(value) % divisor == 0


def printed(value: object) -> object:
    """Return what a template prints for ``value``; minijinja calls this for every ``{{ }}``.

    Escaping is done here, since minijinja would also write every ``/`` of a link as ``&#x2f;``.
    ``NotImplemented`` lets it print the value that it has, which saves bringing it back. Short
    values are not counted: fuel bounds how many of them there can be.
    """
    text: str
    if type(value) is str:
        text = escaped(value) if JOB.is_html else value
        if len(text) <= SHORT:
            return NotImplemented if text is value else text
    elif type(value) is int:
        return NotImplemented
    elif isinstance(value, str):
        text = escape(value) if JOB.is_html else value
    elif value is None:
        return ""
    elif isinstance(value, (int, float)):
        return str(value)
    else:
        raise Fault("a list or an object is printed; loop over it or name one of its fields")
    JOB.output -= len(text)
    if JOB.output < 0:
        raise Fault(f"the result is larger than {MAX_OUTPUT} characters")
    return text


def find_filter(name: str) -> Filter | None:
    """Return the filter that templates may use as ``name``, or None."""
    return FILTERS.get(name)


def functions() -> Iterable[tuple[str, Callable[..., object]]]:
    """Return every filter and operation that an environment needs, by name."""
    for name, known in FILTERS.items():
        if name != "safe":
            yield name, known.apply
    yield from OPERATIONS.items()


def as_json_stores(value: object) -> str:
    """Return a date or a decimal as it reads after a round trip through a JSON column.

    Raises:
        TypeError: it is anything else that JSON doesn't know.
    """
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not plain data")
