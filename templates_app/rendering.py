"""Render a compiled template with one recipient's variables, within bounds."""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import minijinja

from common.errors import Refused, RefusedTogether
from templates_app import analysis
from templates_app.filters import as_json_stores, functions, printed
from templates_app.work import JOB, MAX_OUTPUT, Fault

SUBJECT, HTML, TEXT = "subject", "html", "text"
FIELDS = {SUBJECT: "subject", HTML: "html_content", TEXT: "text_content"}
FUEL = 250_000
LONG_STRING = 6 * 10**9 // FUEL
LARGE = 10**18
LONG_NUMBER = re.compile(r"\d{19}")  # every look-up of such a number would convert it again
KEPT_ENVIRONMENTS = 256
CONTROL_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NUMBERS = frozenset({int, float, bool, type(None)})
_STRINGS = frozenset({str})
_GLOBALS = ("cycler", "debug", "dict", "joiner", "namespace", "range")


@dataclass(frozen=True)
class CompiledTemplate:
    """What a template version stores: everything that can be done before the variables come.

    ``variables`` and ``needs`` are paths as ``analysis`` writes them.
    """

    subject: str
    html: str
    text: str
    variables: tuple[str, ...]
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Rendered:
    """The three texts of one message."""

    subject: str
    html: str
    text: str


def missing_variables(template: CompiledTemplate, variables: Mapping[str, object]) -> list[str]:
    """Return the paths that ``template`` needs and ``variables`` lacks, at most 100."""
    return analysis.missing(template.needs, _read(template, variables).data)


def render(
    template: CompiledTemplate,
    *,
    variables: Mapping[str, object],
    language: str,
    cache_key: str | None = None,
    allow_missing: bool = False,
) -> Rendered:
    """Return the message for ``variables``.

    With ``cache_key`` (one per template version) the parsed template is kept in this process.
    With ``allow_missing``, for a preview, what is missing prints nothing.

    Raises:
        RefusedTogether: one ``missing_variable`` for each variable that is needed and not given.
        Refused: ``template_error``, or ``invalid`` for a control character in the subject.
    """
    plain = _read(template, variables)
    if not allow_missing:
        _refuse_missing(analysis.missing(template.needs, plain.data))
    run = _Run(template, plain, language=language, cache_key=cache_key)
    return Rendered(subject=run.subject(), html=run.part(HTML), text=run.part(TEXT))


class Subjects:
    """The subjects of one template's messages; the variables that they share are read once."""

    def __init__(
        self,
        template: CompiledTemplate,
        *,
        shared: Mapping[str, object],
        language: str,
        cache_key: str | None = None,
    ) -> None:
        self._template, self._language, self._cache_key = template, language, cache_key
        self._shared = _read(template, shared)
        self._checks: dict[frozenset[str], _Check] = {}

    def of(self, own: Mapping[str, object]) -> str:
        """Return what ``render`` would make of the shared variables, replaced by ``own``.

        Raises:
            Refused: as ``render``, but for what only its other parts would be refused for.
        """
        mine = _read(self._template, own)
        longest = max(self._shared.longest, mine.longest)
        plain = _Plain(data=self._shared.data | mine.data, longest=longest)
        if not self._check(frozenset(mine.data)).passes(mine.data):
            _refuse_missing(analysis.missing(self._template.needs, plain.data))
        run = _Run(self._template, plain, language=self._language, cache_key=self._cache_key)
        return run.subject()

    def _check(self, names: frozenset[str]) -> _Check:
        """Return how a message that brings these variables is checked; most bring the same."""
        if names not in self._checks:
            needs = self._template.needs
            rest = tuple(need for need in needs if analysis.root(need) not in names)
            self._checks[names] = _Check(
                needs=tuple(need for need in needs if analysis.root(need) in names),
                is_rest_given=not analysis.missing(rest, self._shared.data),
            )
        return self._checks[names]


@dataclass(frozen=True)
class _Check:
    """What is needed of a message's own variables, and whether the shared ones give the rest."""

    needs: tuple[str, ...]
    is_rest_given: bool

    def passes(self, own: Mapping[str, object]) -> bool:
        return self.is_rest_given and not analysis.missing(self.needs, own)


def environment(template: CompiledTemplate, *, fuel: int = FUEL) -> minijinja.Environment:
    """Return ``template`` parsed; raises ``minijinja.TemplateError`` where it can't be."""
    parsed = minijinja.Environment(
        fuel=fuel,
        undefined_behavior="chainable",  # analysis.missing decides what may be absent
        pycompat=False,
        debug=False,
        keep_trailing_newline=True,
        auto_escape_callback=lambda _name: False,  # printed() escapes
        finalizer=printed,
    )
    for name in _GLOBALS:
        parsed.remove_global(name)
    for name, function in functions():
        parsed.add_filter(name, function)
    for name, source in _sources(template):
        parsed.add_template(name, source)
    return parsed


def _sources(template: CompiledTemplate) -> list[tuple[str, str]]:
    return [(SUBJECT, template.subject), (HTML, template.html), (TEXT, template.text)]


class _Environments:
    """The environments used last, shared by the threads of this process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, minijinja.Environment] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, template: CompiledTemplate) -> minijinja.Environment:
        with self._lock:
            if found := self._kept.get(key):
                self._kept.move_to_end(key)
                return found
        made = environment(template)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made


_ENVIRONMENTS = _Environments(KEPT_ENVIRONMENTS)


class _Run:
    """One template with one set of variables, ready to render."""

    def __init__(
        self,
        template: CompiledTemplate,
        plain: _Plain,
        *,
        language: str,
        cache_key: str | None,
    ) -> None:
        self._data = plain.data
        self._language = language
        # A look-up copies its string, so long strings make every instruction dearer.
        if plain.longest > LONG_STRING:
            self._environment = environment(template, fuel=FUEL * LONG_STRING // plain.longest)
        elif cache_key is None:
            self._environment = environment(template)
        else:
            self._environment = _ENVIRONMENTS.get(cache_key, template)

    def part(self, name: str) -> str:
        JOB.start(language=self._language, is_html=name == HTML)
        field = FIELDS[name]
        try:
            result = self._environment.render_template(name, **self._data)
        except Fault as fault:
            where = f"line {fault.line}: " if fault.line else ""
            raise Refused(f"{where}{fault}", code="template_error", attr=field) from fault
        except minijinja.TemplateError as error:
            raise Refused(_explained(error), code="template_error", attr=field) from error
        if len(result) > MAX_OUTPUT:
            detail = f"the result is larger than {MAX_OUTPUT} characters"
            raise Refused(detail, code="template_error", attr=field)
        return result

    def subject(self) -> str:
        text = self.part(SUBJECT)
        if CONTROL_CHARACTER.search(text):
            raise Refused("The subject has a control character.", attr="subject")
        return text


def _explained(error: minijinja.TemplateError) -> str:
    if error.kind == "OutOfFuel":
        return "the template does too much work with these variables"
    return error.message


def _refuse_missing(paths: list[str]) -> None:
    if paths:
        raise RefusedTogether(
            [
                Refused(
                    f"The template needs {path}.",
                    code="missing_variable",
                    attr=f"variables.{path}",
                )
                for path in paths
            ]
        )


class _NotPlain(Exception):
    """Something that a JSON column would give back in another form."""


@dataclass(frozen=True)
class _Plain:
    """The variables that a template reads, and a length that no string exceeds."""

    data: dict[str, object]
    longest: int


def _read(template: CompiledTemplate, variables: Mapping[str, object]) -> _Plain:
    """Return the variables as they read when stored: nothing but data can pass."""
    names = _names(template.variables)
    picked = {name: variables[name] for name in names if name in variables}
    try:
        return _Plain(data=picked, longest=_longest_of_plain(picked.values()))
    except (_NotPlain, RecursionError):
        return _copied(picked)


def _longest_of_plain(values: Iterable[Any]) -> int:
    """Return the length of the longest string in ``values`` and below.

    Raises:
        _NotPlain: JSON would give back something else, or a number is a long one.
    """
    longest = 0
    for value in values:
        kind, length = type(value), 0
        if kind is str:
            length = len(value)
        elif kind is dict and _STRINGS.issuperset(map(type, value)):
            length = _longest_of_plain(value.values())
        elif kind is list:
            length = _longest_of_plain(value)
        elif kind not in _NUMBERS or not -LARGE < (value or 0) < LARGE:
            raise _NotPlain
        if length > longest:
            longest = length
    return longest


def _copied(picked: dict[str, object]) -> _Plain:
    """Return copies by way of JSON, in which a long number is text."""
    try:
        text = json.dumps(picked, default=as_json_stores)
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused("The variables are not plain JSON data.", attr="variables") from error
    parse_int = _bounded_int if LONG_NUMBER.search(text) else None
    data: dict[str, object] = json.loads(text, parse_int=parse_int)
    return _Plain(data=data, longest=_longest(data) if len(text) > LONG_STRING else len(text))


def _longest(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return max(map(_longest, value.values()), default=0)
    return max(map(_longest, value), default=0) if isinstance(value, list) else 0


@lru_cache(maxsize=1024)
def _names(paths: tuple[str, ...]) -> frozenset[str]:
    return frozenset(analysis.root(path) for path in paths)


def _bounded_int(digits: str) -> int | str:
    return digits if len(digits) > 18 else int(digits)
