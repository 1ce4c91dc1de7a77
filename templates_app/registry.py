"""What a filter of the template language is, and the table of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from templates_app.work import Fault

Apply = Callable[..., object]


@dataclass(frozen=True)
class Arguments:
    """The constant arguments that a template gives to a filter or a test."""

    name: str
    line: int
    positional: tuple[object, ...] = ()
    named: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Parameter:
    """One constant argument: its default and what is acceptable."""

    name: str
    default: object
    accepts: Callable[[object], bool]


@dataclass(frozen=True)
class Filter:
    """A function, its parameters, and which filter stands for it in text taken from HTML."""

    apply: Callable[..., object]
    parameters: tuple[Parameter, ...]
    plain_name: str | None

    def arguments(self, given: Arguments) -> list[object]:
        """Return the arguments in the function's order.

        Raises:
            Fault: an argument is unknown, missing or not acceptable.
        """
        names = [parameter.name for parameter in self.parameters]
        known = dict(zip(names, given.positional, strict=False))
        known.update(given.named)
        right = len(given.positional) <= len(names) and set(known) <= set(names)
        if not right or len(known) != len(given.positional) + len(given.named):
            raise Fault(f"{given.name} takes {', '.join(names) or 'no arguments'}", line=given.line)
        return [self._checked(parameter, known, given) for parameter in self.parameters]

    def _checked(
        self, parameter: Parameter, known: Mapping[str, object], given: Arguments
    ) -> object:
        value = known.get(parameter.name, parameter.default)
        if parameter.name in known and not parameter.accepts(value):
            raise Fault(f"{parameter.name} of {given.name} is not acceptable", line=given.line)
        if value is REQUIRED:
            raise Fault(f"{given.name} needs {parameter.name}", line=given.line)
        return value


REQUIRED = object()
FILTERS: dict[str, Filter] = {}
OPERATIONS: dict[str, Callable[..., object]] = {}


def register(
    *names: str, parameters: tuple[Parameter, ...] = (), plain: str | None = ""
) -> Callable[[Apply], Apply]:
    def add(function: Apply) -> Apply:
        for name in names:
            plain_name = name if plain == "" else plain
            FILTERS[name] = Filter(_located(function), parameters, plain_name)
        return function

    return add


def operation(name: str) -> Callable[[Apply], Apply]:
    def add(function: Apply) -> Apply:
        OPERATIONS[name] = _located(function)
        return function

    return add


def _located(function: Apply) -> Apply:
    """Return ``function`` taking its line in the template as a second argument, for its faults."""

    def call(value: object, line: int, *arguments: object) -> object:
        try:
            return function(value, *arguments)
        except Fault as fault:
            fault.line = fault.line or line
            raise

    return call
