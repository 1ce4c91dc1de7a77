"""Parsing of request bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isinf
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from common.text import has_lone_surrogate

DEEPEST = 100


class StrictJSONParser(JSONParser):
    """JSON as RFC 8259 has it: UTF-8, no NaN, no lone surrogates, bounded nesting."""

    strict = True

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read()
        try:
            text = body.decode("utf-8-sig")
            data = json.loads(text, parse_constant=refuse_constant, parse_float=finite)
        except (ValueError, RecursionError) as error:
            raise ParseError("The body is not valid JSON (RFC 8259, UTF-8).") from error
        if text.count("[") + text.count("{") > DEEPEST and is_deeper(data, DEEPEST):
            raise ParseError(f"The body is nested more than {DEEPEST} levels deep.")
        if "\\u" in text and has_lone_surrogate(data):
            raise ParseError("The body holds half of a surrogate pair, which is no character.")
        return data


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def finite(text: str) -> float:
    """Return the number; one such as 1e999 would be stored as Infinity, which is not JSON."""
    number = float(text)
    if isinf(number):
        raise ValueError(f"{text} is too large")
    return number


def is_deeper(data: Any, levels: int) -> bool:
    """Tell whether containers stand in each other more than ``levels`` deep; no recursion."""
    level = [data]
    for _ in range(levels + 1):
        containers = [one for one in level if isinstance(one, dict | list)]
        if not containers:
            return False
        level = []
        for one in containers:
            level.extend(one.values() if isinstance(one, dict) else one)
    return True
