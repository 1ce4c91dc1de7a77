"""Read what staff wrote as a template: parse it, refuse what is not allowed, write it in one form.

Jinja2 parses, minijinja renders. Two parsers never agree on everything, so minijinja is not given
the author's text but what ``_Writer`` writes from the checked tree: the same in meaning, without
ambiguity, with calls of our bounded filters in place of every operation that could grow.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.lexer import TOKEN_STRING, Token, TokenStream

from common.errors import Refused
from common.text import has_lone_surrogate
from templates_app.filters import find_filter
from templates_app.registry import Arguments
from templates_app.work import Fault

MAX_SOURCE = 1_000_000
MAX_TOKENS = 50_000
MAX_DEPTH = 60
MAX_INTEGER = 10**15
RAW_CHUNK = 200
LOOP_ATTRIBUTES = frozenset(
    [
        "index",
        "index0",
        "revindex",
        "revindex0",
        "first",
        "last",
        "length",
        "depth",
        "depth0",
        "previtem",
        "nextitem",
    ]
)
TESTS = frozenset(
    [
        "defined",
        "undefined",
        "none",
        "string",
        "number",
        "integer",
        "float",
        "boolean",
        "mapping",
        "iterable",
        "sequence",
        "odd",
        "even",
        "true",
        "false",
        "divisibleby",
    ]
)
RESERVED = frozenset(["self", "super", "caller", "varargs", "kwargs"])
COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">="}
# minijinja would take a missing key of such a name for the Python method.
METHODS = frozenset([*dir(dict), *dir(list)])
CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
KEY = re.compile(r"[^.\[\]?\x00-\x1f]{1,100}")


class NotAllowed(Exception):
    """The template uses something outside the language, at ``line``."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Piece:
    """A stretch of plain text, or one tag in canonical form with the line it was written on."""

    text: str
    line: int = 0
    is_tag: bool = False

    @property
    def is_block(self) -> bool:
        return self.is_tag and self.text.startswith("{%")


@dataclass(frozen=True)
class Source:
    """A checked template: its tree for analysis and its pieces for rendering."""

    tree: nodes.Template
    pieces: tuple[Piece, ...]


class _Bounded(Extension):
    """Stops the lexer early, so that a huge template costs no more than a large one.

    String literals come unescaped here, so their ``\\ud800`` is seen before anything uses it.
    """

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        for count, token in enumerate(stream):
            if count > MAX_TOKENS:
                raise NotAllowed("the template is too long", token.lineno)
            if token.type == TOKEN_STRING and has_lone_surrogate(token.value):
                raise NotAllowed("half of a surrogate pair is no character", token.lineno)
            yield token


_JINJA = Environment(  # noqa: S701  # parses only, never renders
    keep_trailing_newline=True, optimized=False, extensions=[_Bounded]
)


def read(source: str, *, attr: str) -> Source:
    """Return ``source`` checked and taken apart.

    Raises:
        Refused: ``template_error`` with the line, for the field ``attr``.
    """
    try:
        _check_text(source)
        tree = _JINJA.parse(source)
        return Source(tree=tree, pieces=tuple(_Writer().write(tree)))
    except TemplateSyntaxError as error:
        raise refusal(error.message or "syntax error", line=error.lineno, attr=attr) from error
    except (NotAllowed, Fault) as error:
        raise refusal(str(error), line=error.line, attr=attr) from error
    except RecursionError as error:
        raise refusal("nested too deep", line=1, attr=attr) from error
    except (ValueError, OverflowError) as error:  # Jinja2 lets int() and unescaping fail as such
        raise refusal("a literal cannot be read", line=1, attr=attr) from error


def pieces_for_text(source: Source) -> tuple[Piece, ...]:
    """Return the pieces with the filters that only HTML needs taken out, in the same order."""
    return tuple(_Writer(plain=True).write(source.tree))


def refusal(message: str, *, line: int, attr: str) -> Refused:
    """Return a ``template_error`` that names its line."""
    return Refused(f"line {line}: {message}", code="template_error", attr=attr)


def assemble(pieces: Iterable[Piece]) -> str:
    """Return the template that minijinja gets.

    Fuel counts instructions, not text: inside loops long text is cut so that it costs fuel too.
    """
    parts: list[str] = []
    loops = 0
    for piece in pieces:
        if piece.is_tag:
            loops += piece.text.startswith("{% for ") - piece.text.startswith("{% endfor")
            parts.append(piece.text)
        else:
            parts.append(_raw(piece.text, cut=loops > 0))
    return "".join(parts)


def _raw(text: str, *, cut: bool) -> str:
    size = RAW_CHUNK if cut else max(len(text), 1)
    chunks = [text[start : start + size] for start in range(0, len(text), size)]
    escaped = (re.sub(r"\{(?=[{%#]|\Z)", '{{ "{"|safe }}', chunk) for chunk in chunks)
    return "{% if false %}{% endif %}".join(escaped)


def _check_text(source: str) -> None:
    if len(source) > MAX_SOURCE:
        raise NotAllowed(f"a template may have {MAX_SOURCE} characters", 1)
    if found := CONTROL_CHARACTERS.search(source):
        line = source.count("\n", 0, found.start()) + 1
        raise NotAllowed("a control character is not allowed", line)


class _Writer:
    """Writes a tree as pieces; a node that no method knows is not part of the language."""

    def __init__(self, *, plain: bool = False) -> None:
        self.plain = plain
        self.depth = 0
        self.loops = 0

    def write(self, tree: nodes.Template) -> Iterator[Piece]:
        return self.body(tree.body)

    def body(self, statements: Iterable[nodes.Node]) -> Iterator[Piece]:
        self.depth += 1
        for statement in statements:
            if self.depth > MAX_DEPTH:
                raise NotAllowed("nested too deep", statement.lineno)
            if isinstance(statement, nodes.Output):
                yield from self.output(statement)
            elif isinstance(statement, nodes.If):
                yield from self.condition(statement)
            elif isinstance(statement, nodes.For):
                yield from self.loop(statement)
            else:
                raise NotAllowed(f"{_tag(statement)} is not allowed", statement.lineno)
        self.depth -= 1

    def output(self, node: nodes.Output) -> Iterator[Piece]:
        for part in node.nodes:
            if isinstance(part, nodes.TemplateData):
                yield Piece(part.data, part.lineno)
            else:
                yield _piece(f"{{{{ {self.expr(part)} }}}}", part)

    def condition(self, node: nodes.If) -> Iterator[Piece]:
        yield _piece(f"{{% if {self.expr(node.test)} %}}", node)
        yield from self.body(node.body)
        for branch in node.elif_:
            yield _piece(f"{{% elif {self.expr(branch.test)} %}}", branch)
            yield from self.body(branch.body)
        if node.else_:
            yield _piece("{% else %}", node)
            yield from self.body(node.else_)
        yield _piece("{% endif %}", node)

    def loop(self, node: nodes.For) -> Iterator[Piece]:
        if node.recursive:
            raise NotAllowed("a recursive loop is not allowed", node.lineno)
        items = f"({self.expr(node.iter)}|_each({node.lineno}))"
        only = f" if {self.expr(node.test)}" if node.test is not None else ""
        yield _piece(f"{{% for {_target(node.target)} in {items}{only} %}}", node)
        self.loops += 1
        yield from self.body(node.body)
        self.loops -= 1
        if node.else_:
            yield _piece("{% else %}", node)
            yield from self.body(node.else_)
        yield _piece("{% endfor %}", node)

    def expr(self, node: nodes.Node) -> str:
        """Return ``node`` as text that needs no further brackets."""
        write = getattr(self, f"_{type(node).__name__.lower()}", None)
        if write is None:
            raise NotAllowed(f"{_name(node)} is not allowed", node.lineno)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise NotAllowed("nested too deep", node.lineno)
        text: str = write(node)
        self.depth -= 1
        return text

    def _name(self, node: nodes.Name) -> str:
        if node.name == "loop" and self.loops:
            raise NotAllowed("print an attribute of loop, such as loop.index", node.lineno)
        return _identifier(node.name, line=node.lineno)

    def _const(self, node: nodes.Const) -> str:
        return literal(node.value, line=node.lineno)

    def _list(self, node: nodes.List) -> str:
        if not all(isinstance(item, nodes.Const) for item in node.items):
            raise NotAllowed("a list may hold constants only", node.lineno)
        return f"[{', '.join(self.expr(item) for item in node.items)}]"

    def _tuple(self, node: nodes.Tuple) -> str:
        return self._list(nodes.List(node.items, lineno=node.lineno))

    def _getattr(self, node: nodes.Getattr) -> str:
        _identifier(node.attr, line=node.lineno)
        if isinstance(node.node, nodes.Name) and node.node.name == "loop" and self.loops:
            if node.attr not in LOOP_ATTRIBUTES:
                raise NotAllowed(f"loop.{node.attr} is not allowed", node.lineno)
            return f"loop.{node.attr}"
        return self._key(node.node, node.attr, line=node.lineno)

    def _getitem(self, node: nodes.Getitem) -> str:
        if isinstance(node.arg, nodes.Const) and is_key(node.arg.value):
            return self._key(node.node, node.arg.value, line=node.lineno)
        raise NotAllowed("[…] takes a constant name or number", node.lineno)

    def _key(self, node: nodes.Expr, key: object, *, line: int) -> str:
        value, name = self.expr(node), literal(key, line=line)
        if key in METHODS:
            return f"({value}|_field({line}, {name}))"
        return f"{value}[{name}]"

    def _filter(self, node: nodes.Filter) -> str:
        if node.node is None:
            raise NotAllowed("a filter block is not allowed", node.lineno)
        value = self.expr(node.node)
        if node.name in ("default", "d"):
            # A field that is read by our own filter is never undefined for minijinja, only none.
            call = f"_default({node.lineno}, " if _shadowed(node.node) else "default("
            return f"({value}|{call}{', '.join(self._defaults(node))}))"
        known = find_filter(node.name)
        if known is None:
            raise NotAllowed(f"the filter {node.name!r} is not allowed", node.lineno)
        name = known.plain_name if self.plain else node.name
        if name is None:
            return value
        if name == "safe":
            return f"({value}|safe)"
        arguments = known.arguments(_constants(node))
        written = [str(node.lineno), *(literal(item, line=node.lineno) for item in arguments)]
        return f"({value}|{name}({', '.join(written)}))"

    def _defaults(self, node: nodes.Filter) -> list[str]:
        if node.dyn_args is not None or node.dyn_kwargs is not None or len(node.args) > 2:
            raise NotAllowed("default takes a value and 'true'", node.lineno)
        named = {str(pair.key): pair.value for pair in node.kwargs}
        given = [*node.args]
        if "default_value" in named and not given:
            given.append(named.pop("default_value"))
        if "boolean" in named and len(given) < 2:
            given = given or [nodes.Const("", lineno=node.lineno)]
            given.append(named.pop("boolean"))
        if named:
            raise NotAllowed("default takes a value and 'true'", node.lineno)
        return [self.expr(value) for value in given] or ['""']

    def _test(self, node: nodes.Test) -> str:
        if node.name not in TESTS:
            raise NotAllowed(f"the test {node.name!r} is not allowed", node.lineno)
        given = _constants(node)
        if given.named or len(given.positional) != (node.name == "divisibleby"):
            raise NotAllowed(f"the test {node.name!r} has wrong arguments", node.lineno)
        if node.name == "divisibleby":
            return f"({self.expr(node.node)}|_divisible({node.lineno}, {self._divisor(given)}))"
        shadowed = _shadowed(node.node)
        if shadowed and node.name in ("defined", "undefined"):
            key = literal(shadowed[1], line=node.lineno)
            found = f"({self.expr(shadowed[0])}|_has({node.lineno}, {key}))"
            return found if node.name == "defined" else f"(not {found})"
        return f"({self.expr(node.node)} is {node.name})"

    def _divisor(self, given: Arguments) -> str:
        (divisor,) = given.positional
        if not isinstance(divisor, int) or divisor == 0:
            raise NotAllowed("divisibleby takes a number other than 0", given.line)
        return str(divisor)

    def _condexpr(self, node: nodes.CondExpr) -> str:
        other = f" else {self.expr(node.expr2)}" if node.expr2 is not None else ' else ""'
        return f"({self.expr(node.expr1)} if {self.expr(node.test)}{other})"

    def _and(self, node: nodes.And) -> str:
        return f"({self.expr(node.left)} and {self.expr(node.right)})"

    def _or(self, node: nodes.Or) -> str:
        return f"({self.expr(node.left)} or {self.expr(node.right)})"

    def _not(self, node: nodes.Not) -> str:
        return f"(not {self.expr(node.node)})"

    def _compare(self, node: nodes.Compare) -> str:
        if len(node.ops) != 1:
            raise NotAllowed("write a chained comparison with 'and'", node.lineno)
        (operand,) = node.ops
        left, right = self.expr(node.expr), self.expr(operand.expr)
        if operand.op in ("in", "notin"):
            found = f"({left}|_within({node.lineno}, {right}))"
            return f"(not {found})" if operand.op == "notin" else found
        return f'({left}|_compare({node.lineno}, "{COMPARISONS[operand.op]}", {right}))'

    def _add(self, node: nodes.Add) -> str:
        return self._arithmetic(node, "+")

    def _sub(self, node: nodes.Sub) -> str:
        return self._arithmetic(node, "-")

    def _div(self, node: nodes.Div) -> str:
        return self._arithmetic(node, "/")

    def _floordiv(self, node: nodes.FloorDiv) -> str:
        return self._arithmetic(node, "//")

    def _arithmetic(self, node: nodes.BinExpr, sign: str) -> str:
        left, right = self.expr(node.left), self.expr(node.right)
        return f'({left}|_calculate({node.lineno}, "{sign}", {right}))'

    def _neg(self, node: nodes.Neg) -> str:
        return f'(0|_calculate({node.lineno}, "-", {self.expr(node.node)}))'


def literal(value: object, *, line: int) -> str:
    """Return a constant as both Jinja and minijinja read it."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and abs(value) <= MAX_INTEGER:
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    raise NotAllowed("this constant is not allowed", line)


def is_key(value: object) -> bool:
    """Return whether ``value`` may stand in ``[…]``: a name without ``.[]?`` or a small number."""
    if isinstance(value, str):
        return KEY.fullmatch(value) is not None and not value.startswith("_")
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10_000


def _piece(text: str, node: nodes.Node) -> Piece:
    return Piece(text, node.lineno, is_tag=True)


def _identifier(name: str, *, line: int) -> str:
    if name.startswith("_") or name in RESERVED:
        raise NotAllowed(f"the name {name!r} is not allowed", line)
    return name


def _shadowed(node: nodes.Expr) -> tuple[nodes.Expr, object] | None:
    """Return what ``node`` reads and by which key, where that key hides a method."""
    key: object = None
    if isinstance(node, nodes.Getattr):
        key = node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        key = node.arg.value
    return (node.node, key) if key in METHODS and hasattr(node, "node") else None


def _target(node: nodes.Node) -> str:
    names = node.items if isinstance(node, nodes.Tuple) else [node]
    written = []
    for name in names:
        if not isinstance(name, nodes.Name) or name.name == "loop":
            raise NotAllowed("a loop takes plain names", node.lineno)
        written.append(_identifier(name.name, line=node.lineno))
    return ", ".join(written)


def _constants(node: nodes.Filter | nodes.Test) -> Arguments:
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise NotAllowed("* and ** are not allowed", node.lineno)
    return Arguments(
        name=node.name,
        line=node.lineno,
        positional=tuple(_constant(value, of=node.name) for value in node.args),
        named={str(pair.key): _constant(pair.value, of=node.name) for pair in node.kwargs},
    )


def _constant(node: nodes.Node, *, of: str) -> object:
    if not isinstance(node, nodes.Const):
        raise NotAllowed(f"{of} takes constants only", node.lineno)
    return node.value


def _tag(node: nodes.Node) -> str:
    tags = {"Assign": "set", "AssignBlock": "set", "CallBlock": "call", "FromImport": "import"}
    name = type(node).__name__
    return f"{{% {tags.get(name, name.lower())} %}}"


def _name(node: nodes.Node) -> str:
    names = {"Call": "a call", "Concat": "~", "Mul": "*", "Mod": "%", "Pow": "**", "Dict": "{…}"}
    return names.get(type(node).__name__, type(node).__name__.lower())
