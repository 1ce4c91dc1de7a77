"""Find which variables a template reads, and which of them it cannot do without.

A path is written ``customer.name``, ``products[].name`` (of every item) or ``customer?.name``
(only where ``customer`` is given, because a condition around it asks for it).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import nodes

ITEM, OPTIONAL = "[]", "?"
SEGMENT = re.compile(r"\[\]|\?|[^.\[\]?]+")
MAX_MISSING = 100
SAME_ITEMS = frozenset({"sort", "reverse", "unique"})
DEFAULTS = frozenset({"default", "d"})
POSITIONS = {"first": "0", "last": "-1"}


@dataclass(frozen=True)
class Plan:
    """What is needed of one value, as a tree, so that each value is visited once.

    ``leaves`` are the steps that need nothing below them, ``deeper`` all others.
    """

    is_needed: bool
    steps: Mapping[str, Plan]
    leaves: frozenset[str]
    deeper: Mapping[str, Plan]


@dataclass(frozen=True)
class Reads:
    """Every path that is read, and those that must be given, in order of appearance."""

    variables: tuple[str, ...]
    needs: tuple[str, ...]


def reads(*trees: nodes.Template) -> Reads:
    """Return what ``trees``, checked templates that share their variables, read and need."""
    reader = _Reader()
    for tree in trees:
        reader.body(tree.body, {}, NOTHING)
    return Reads(tuple(reader.variables), tuple(reader.needs))


def missing(needs: tuple[str, ...], data: Mapping[str, object]) -> list[str]:
    """Return the paths that ``needs`` asks for and ``data`` lacks, such as ``products.1.name``."""
    found: dict[str, None] = {}
    for path in _absent(data, _plan(needs), ()):
        found[path] = None
        if len(found) >= MAX_MISSING:
            break
    return list(found)


def root(path: str) -> str:
    """Return the variable that ``path`` starts at."""
    found = SEGMENT.match(path)
    return found[0] if found else ""


@lru_cache(maxsize=1024)
def _plan(needs: tuple[str, ...]) -> Plan:
    return _planned([SEGMENT.findall(need) for need in needs])


def _planned(paths: Sequence[Sequence[str]]) -> Plan:
    below: dict[str, list[Sequence[str]]] = {}
    for first, *rest in filter(None, paths):
        below.setdefault(first, []).append(rest)
    steps = {key: _planned(rests) for key, rests in below.items()}
    marks = (ITEM, OPTIONAL)
    leaves = frozenset(key for key, plan in steps.items() if not plan.steps and key not in marks)
    deeper = {key: plan for key, plan in steps.items() if key not in leaves}
    return Plan(not all(paths), steps=steps, leaves=leaves, deeper=deeper)


def _absent(value: object, plan: Plan, above: tuple[str, ...]) -> Iterator[str]:
    has_leaves = isinstance(value, dict) and plan.leaves <= value.keys()
    for key, below in (plan.deeper if has_leaves else plan.steps).items():
        if key == OPTIONAL:
            if value:
                yield from _absent(value, below, above)
        elif key == ITEM:
            for index, item in enumerate(value if isinstance(value, list) else ()):
                yield from _absent(item, below, (*above, str(index)))
        elif not _has(value, key):
            yield from _unmet(below, (*above, key))
        elif below.steps:
            yield from _absent(_get(value, key), below, (*above, key))


def _unmet(plan: Plan, path: tuple[str, ...]) -> Iterator[str]:
    if plan.is_needed:
        yield ".".join(path)
        return
    for key, below in plan.steps.items():
        if key not in (ITEM, OPTIONAL):
            yield from _unmet(below, (*path, key))


def _has(value: object, key: str) -> bool:
    if isinstance(value, dict):
        return key in value
    if isinstance(value, list) and re.fullmatch(r"-?[0-9]{1,4}", key):
        return -len(value) <= int(key) < len(value)
    return False


def _get(value: object, key: str) -> object:
    if isinstance(value, dict):
        return value[key]
    return value[int(key)] if isinstance(value, list) else None


class _Binding:
    """What a name stands for: a path into the variables, or None where we can't follow.

    Compared by identity: two loops over one list have different items in hand.
    """

    def __init__(self, path: tuple[str, ...] | None) -> None:
        self.path = path


_GLOBAL = _Binding(())


@dataclass(frozen=True)
class _Reference:
    """A name or dotted path as written: its first name's binding and the rest."""

    binding: _Binding
    rest: tuple[str, ...]

    def up_to(self, end: int) -> _Reference:
        return _Reference(self.binding, self.rest[:end])

    def with_prefixes(self) -> _Known:
        return frozenset(self.up_to(end) for end in range(len(self.rest) + 1))

    def path(self, known: _Known) -> tuple[str, ...] | None:
        """Return the path from the variables, marked where conditions make it optional."""
        if self.binding.path is None:
            return None
        for end in range(len(self.rest), 0, -1):
            if self.up_to(end) in known:
                return (*self.binding.path, *self.rest[:end], OPTIONAL, *self.rest[end:])
        return (*self.binding.path, *self.rest)


_Known = frozenset[_Reference]
_Scope = Mapping[str, _Binding]
NOTHING: _Known = frozenset()


class _Reader:
    """Walks a tree in reading order; ``known`` is what the conditions around have established."""

    def __init__(self) -> None:
        self.variables: dict[str, None] = {}
        self.needs: dict[str, None] = {}
        self.lenient = 0

    def body(self, statements: Iterable[nodes.Node], scope: _Scope, known: _Known) -> None:
        for node in statements:
            if isinstance(node, nodes.If):
                self.condition(node, scope, known)
            elif isinstance(node, nodes.For):
                self.loop(node, scope, known)
            else:
                self.value(node, scope, known)

    def condition(self, node: nodes.If, scope: _Scope, known: _Known) -> None:
        for branch in (node, *node.elif_):
            self.question(branch.test, scope, known)
            self.body(branch.body, scope, known | _proves(branch.test, scope, answer=True))
            known = known | _proves(branch.test, scope, answer=False)
        self.body(node.else_, scope, known)

    def loop(self, node: nodes.For, scope: _Scope, known: _Known) -> None:
        self.value(node.iter, scope, known)
        items = self.items(node.iter, scope, known)
        target = node.target
        bound = {name.name: _Binding(None) for name in target.find_all(nodes.Name)}
        if isinstance(target, nodes.Name):
            bound = {target.name: _Binding(items)}
        inner = {**scope, **bound, "loop": _Binding(None)}
        inside = known
        if node.test is not None:
            self.question(node.test, inner, known)
            inside = known | _proves(node.test, inner, answer=True)
        self.body(node.body, inner, inside)
        self.body(node.else_, scope, known)

    def items(self, node: nodes.Node, scope: _Scope, known: _Known) -> tuple[str, ...] | None:
        """Return the path of the items of what ``node`` stands for, or None."""
        while isinstance(node, nodes.Filter) and node.node is not None:
            if node.name in DEFAULTS and (reference := _reference(node.node, scope)):
                known = known | reference.with_prefixes()
            elif node.name not in SAME_ITEMS:
                return None
            node = node.node
        reference = _reference(node, scope)
        path = reference.path(known) if reference else None
        return (*path, ITEM) if path is not None else None

    def value(self, node: nodes.Node, scope: _Scope, known: _Known) -> None:
        """Note what ``node`` reads where its value is used."""
        if reference := _reference(node, scope):
            self.note(reference, known)
        elif isinstance(node, nodes.CondExpr):
            self.question(node.test, scope, known)
            self.value(node.expr1, scope, known | _proves(node.test, scope, answer=True))
            if node.expr2 is not None:
                self.value(node.expr2, scope, known | _proves(node.test, scope, answer=False))
        elif isinstance(node, (nodes.And, nodes.Or)):
            self.either(node, scope, known)
        elif isinstance(node, nodes.Not):
            self.question(node.node, scope, known)
        elif isinstance(node, nodes.Filter) and node.node is not None:
            self.filtered(node, scope, known)
        elif isinstance(node, nodes.Test) and node.name in ("defined", "undefined"):
            self.leniently(node.node, scope, known)
        else:
            for child in node.iter_child_nodes():
                self.value(child, scope, known)

    def either(self, node: nodes.BinExpr, scope: _Scope, known: _Known) -> None:
        is_and = isinstance(node, nodes.And)
        if is_and:  # what it prints may be its left side
            self.value(node.left, scope, known)
        else:
            self.question(node.left, scope, known)
        self.value(node.right, scope, known | _proves(node.left, scope, answer=is_and))

    def question(self, node: nodes.Node, scope: _Scope, known: _Known) -> None:
        """Note what ``node`` reads where only its truth is used."""
        if isinstance(node, nodes.Not):
            self.question(node.node, scope, known)
        elif isinstance(node, (nodes.And, nodes.Or)):
            self.question(node.left, scope, known)
            answer = isinstance(node, nodes.And)
            known = known | _proves(node.left, scope, answer=answer)
            self.question(node.right, scope, known)
        elif _reference(node, scope):
            self.leniently(node, scope, known)
        else:
            self.value(node, scope, known)

    def filtered(self, node: nodes.Filter, scope: _Scope, known: _Known) -> None:
        if node.node is None:
            return
        if node.name in DEFAULTS:
            self.leniently(node.node, scope, known)
        else:
            self.value(node.node, scope, known)
            self.attribute(node, scope, known)
        for argument in (*node.args, *(pair.value for pair in node.kwargs)):
            self.value(argument, scope, known)

    def attribute(self, node: nodes.Filter, scope: _Scope, known: _Known) -> None:
        """Note the field that ``map``, ``join`` or ``sort`` reads of every item."""
        if node.node is None:
            return
        items = self.items(node.node, scope, known)
        named = (pair.value for pair in node.kwargs if pair.key == "attribute")
        for name in named:
            if items is not None and isinstance(name, nodes.Const):
                self.note(_Reference(_Binding(items), (str(name.value),)), known)

    def leniently(self, node: nodes.Node, scope: _Scope, known: _Known) -> None:
        self.lenient += 1
        self.value(node, scope, known)
        self.lenient -= 1

    def note(self, reference: _Reference, known: _Known) -> None:
        path = reference.path(known)
        if path is None:
            return
        self.variables[_written(segment for segment in path if segment != OPTIONAL)] = None
        if not self.lenient and path[-1] not in (OPTIONAL, ITEM):
            self.needs[_written(path)] = None


def _reference(node: nodes.Node, scope: _Scope) -> _Reference | None:
    """Return what a name or a dotted path refers to, or None for any other expression."""
    if isinstance(node, nodes.Name):
        if node.name in scope:
            return _Reference(scope[node.name], ())
        return _Reference(_GLOBAL, (node.name,))
    if isinstance(node, nodes.Getattr):
        return _below(node.node, node.attr, scope)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        return _below(node.node, str(node.arg.value), scope)
    return None


def _below(node: nodes.Node, key: str, scope: _Scope) -> _Reference | None:
    if isinstance(node, nodes.Filter) and node.name in POSITIONS and node.node is not None:
        return _appended(_below(node.node, POSITIONS[node.name], scope), key)
    return _appended(_reference(node, scope), key)


def _appended(reference: _Reference | None, key: str) -> _Reference | None:
    return reference and _Reference(reference.binding, (*reference.rest, key))


def _proves(test: nodes.Node, scope: _Scope, *, answer: bool) -> _Known:
    """Return what is certainly given where ``test`` came out as ``answer``."""
    if isinstance(test, nodes.Not):
        return _proves(test.node, scope, answer=not answer)
    if isinstance(test, (nodes.And, nodes.Or)):
        left = _proves(test.left, scope, answer=answer)
        right = _proves(test.right, scope, answer=answer)
        return left | right if isinstance(test, nodes.And) is answer else left & right
    if isinstance(test, nodes.Test) and (test.name == ("defined" if answer else "undefined")):
        test, answer = test.node, True
    reference = _reference(test, scope)
    return reference.with_prefixes() if reference and answer else NOTHING


def _written(path: Iterable[str]) -> str:
    text = ""
    for segment in path:
        text += segment if segment in (ITEM, OPTIONAL) or not text else f".{segment}"
    return text
