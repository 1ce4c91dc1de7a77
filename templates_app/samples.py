"""Values for a preview that nobody gave values for: each variable shows its own name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from jinja2 import nodes

from templates_app import analysis, language
from templates_app.compilation import SUPPLIED

NUMBER_FILTERS = frozenset({"money", "number", "round", "abs"})
DATE_FILTERS = frozenset({"date", "datetime"})
A_NUMBER, A_DATE = 2, "2026-01-15T10:30:00+00:00"
LINK, A_LINK = re.compile(r"(?:^|_)(?:url|link|href)$", re.IGNORECASE), "https://example.com/{}"
ITEMS = 2

Shape = dict[str, "Shape"]
Kinds = dict[str, object]


def sample_variables(paths: Iterable[str], sources: Iterable[str]) -> dict[str, object]:
    """Return a value for everything that a template of these ``sources`` reads of a caller.

    ``paths`` are its variables. A name stands for itself, ``products[].name`` becomes two
    products, and where a filter or a comparison wants a number or a date, there is one.
    """
    shape: Shape = {}
    for path in paths:
        step = shape
        for segment in analysis.SEGMENT.findall(path):
            step = step.setdefault(segment, {})
    kinds = _kinds(sources)
    return {
        name: _value(name, below, kinds) for name, below in shape.items() if name not in SUPPLIED
    }


def completed(given: Mapping[str, object], samples: Mapping[str, object]) -> dict[str, object]:
    """Return ``given`` with what only ``samples`` has, in every item of its lists too."""
    return {**samples, **{key: _completed(own, samples.get(key)) for key, own in given.items()}}


def _completed(own: object, sample: object) -> object:
    if isinstance(own, dict) and isinstance(sample, dict):
        return completed(own, sample)
    if isinstance(own, list) and isinstance(sample, list) and sample:
        return [_completed(item, sample[0]) for item in own]
    return own


def _value(name: str, shape: Shape, kinds: Kinds) -> object:
    if not shape:
        return kinds.get(name, A_LINK.format(name) if LINK.search(name) else name)
    items = [below for key, below in shape.items() if _is_position(key)]
    if items:
        merged = {key: below for item in items for key, below in item.items()}
        return [_value(name, merged, kinds)] * ITEMS
    return {key: _value(key, below, kinds) for key, below in shape.items()}


def _is_position(key: str) -> bool:
    return key == analysis.ITEM or key.lstrip("-").isdecimal()


def _kinds(sources: Iterable[str]) -> Kinds:
    """Return samples by the last part of a path, as in ``product.price|money``."""
    found: Kinds = {}
    for source in sources:
        tree = language.read(source, attr="source").tree
        for node, sample in _wanting(tree):
            if name := _last_name(node):
                found.setdefault(name, sample)
    return found


def _wanting(tree: nodes.Template) -> Iterator[tuple[nodes.Node | None, object]]:
    for called in tree.find_all(nodes.Filter):
        if called.name in NUMBER_FILTERS:
            yield called.node, A_NUMBER
        elif called.name in DATE_FILTERS:
            yield called.node, A_DATE
    for compared in tree.find_all(nodes.Compare):
        others = [operand.expr for operand in compared.ops]
        if any(_is_number(other) for other in others):
            yield compared.expr, A_NUMBER
    for calculated in tree.find_all((nodes.Add, nodes.Sub, nodes.Div, nodes.FloorDiv)):
        yield calculated.left, A_NUMBER
        yield calculated.right, A_NUMBER


def _is_number(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Const) and isinstance(node.value, int | float)


def _last_name(node: nodes.Node | None) -> str | None:
    while isinstance(node, nodes.Filter):
        node = node.node
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        return str(node.arg.value)
    return None
