"""Turn an author's HTML or MJML into the HTML and the text of a mail, around its template tags.

HTML tools would tear tags such as ``{% for %}`` out of tables, so each tag travels as a mark: a
comment where text stands, a word inside attributes, styles and comments.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from lxml import etree, html  # type: ignore[import-untyped]  # the package ships no types

from templates_app import mjml_tags
from templates_app.language import NotAllowed, Piece

CHILD = Path(__file__).with_name("markup_child.py")
MOST_SECONDS = 20
STYLE = re.compile(r"<style\b", re.IGNORECASE)
INCLUDE = re.compile(r"<\s*mj-include\b", re.IGNORECASE)
# The parts of HTML that change what a tag's place means, in the order they can begin.
PLACE = re.compile(
    r"(?P<comment><!--)|(?P<raw><(?:style|script|title|textarea|mj-style)\b)|(?P<tag></?[a-z])",
    re.IGNORECASE,
)
RAW_END = re.compile(r"</(?:style|script|title|textarea|mj-style)\b", re.IGNORECASE)
IN_TAG = re.compile(r"""["'>]""")


def compile_html(pieces: Sequence[Piece], *, is_mjml: bool) -> list[Piece]:
    """Return the pieces of the mail's HTML: MJML compiled, or style sheets moved into elements.

    MJML writes its own styles into its elements, and ``mj-style`` is meant to stay in the head.

    Raises:
        NotAllowed: the source can't be compiled, or a tag stands where it would be lost.
    """
    source = "".join(piece.text for piece in pieces if not piece.is_tag)
    if is_mjml:
        if INCLUDE.search(source):
            raise NotAllowed("mj-include is not allowed", 1)
        return _through_mjml(pieces)
    return _through_child(pieces, "css") if STYLE.search(source) else list(pieces)


def _through_mjml(pieces: Sequence[Piece]) -> list[Piece]:
    try:
        compiled = _through_child(pieces, "mjml")
    except NotAllowed as error:
        raise mjml_tags.fault(pieces) or error from error
    if any(piece.text.strip() for piece in compiled):
        return compiled
    if wrong := mjml_tags.fault(pieces):  # the compiler makes an empty mail of what it can't read
        raise wrong
    return compiled


def _through_child(pieces: Sequence[Piece], step: str) -> list[Piece]:
    marks = _Marks(pieces, words_only=step == "mjml")
    return marks.restore(_run_child(step, marks.text()))


def _run_child(step: str, text: str) -> str:
    """Return what the child makes of ``text``.

    mrml and css-inline recurse on the stack, so deep nesting ends their process. That must not be
    ours; the child also limits its own time and memory.
    """
    done = subprocess.run(  # noqa: S603  # our own program, data through a pipe
        [sys.executable, "-I", str(CHILD)],
        input=json.dumps({"step": step, "text": text}),
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise NotAllowed("the markup is nested too deep or too large", 1)
    answer: dict[str, str] = json.loads(done.stdout)
    if "error" in answer:
        raise NotAllowed(answer["error"][:300], 1)
    return answer["text"]


class _Marks:
    """The tags of a template, each replaced by a mark that HTML tools leave in its place."""

    def __init__(self, pieces: Sequence[Piece], *, words_only: bool = False) -> None:
        self.pieces = pieces
        self.words_only = words_only
        self.groups: dict[int, list[Piece]] = {}
        self.in_order: list[int] = []
        self.name = _unused_name("".join(piece.text for piece in pieces))
        self.pattern = re.compile(rf'<!--{self.name}(\d+)q-->|{self.name}(\d+)q(?:="")?')

    def text(self) -> str:
        place = _Place()
        parts: list[str] = []
        number = 0
        while number < len(self.pieces):
            piece = self.pieces[number]
            self.groups[number] = [piece]
            if not piece.is_tag:
                place.read(piece.text)
                parts.append(piece.text)
            elif piece.is_block and place.inside:
                self.groups[number] = self._group(number, place)
                parts.append(f"{self.name}{number}q")
            else:
                parts.append(self._mark(number, piece, place))
            number += len(self.groups[number])
        return "".join(parts)

    def _mark(self, number: int, piece: Piece, place: _Place) -> str:
        word = f"{self.name}{number}q"
        if place.inside or (self.words_only and not piece.is_block):
            return word
        self.in_order.append(number)
        return f"<!--{word}-->"

    def _group(self, start: int, place: _Place) -> list[Piece]:
        """Return everything from an ``{% if %}`` inside a tag or comment to its end, as one mark.

        HTML tools reorder and merge attributes, so the parts could not be followed singly.
        """
        before = (place.inside, place.quote)
        depth = 0
        for end in range(start, len(self.pieces)):
            piece = self.pieces[end]
            if not piece.is_tag:
                place.read(piece.text)
            elif piece.is_block:
                depth += _nesting(piece)
            if place.inside == "raw" and not piece.is_tag and "{" in piece.text:
                break
            if depth == 0 and (place.inside, place.quote) == before:
                return list(self.pieces[start : end + 1])
        raise NotAllowed("{% %} must begin and end in the same place", self.pieces[start].line)

    def restore(self, text: str) -> list[Piece]:
        """Return ``text`` as pieces again.

        Raises:
            NotAllowed: a block tag was lost, moved or doubled, or a variable was lost.
        """
        restored: list[Piece] = []
        found: list[int] = []
        end = 0
        for match in self.pattern.finditer(text):
            number = int(match[1] or match[2])
            restored += [Piece(text[end : match.start()]), *self.groups[number]]
            found.append(number)
            end = match.end()
        self._check(found)
        return [*restored, Piece(text[end:])]

    def _check(self, found: Sequence[int]) -> None:
        """Marks in the text must come once and in order, the others anywhere but at least once."""
        ordered = set(self.in_order)
        kept = (number for number in found if number in ordered)
        for expected, actual in zip_longest(self.in_order, kept):
            if expected != actual:
                raise NotAllowed("this tag can't stand here", self._line(expected, actual))
        marks = {number for number, group in self.groups.items() if group[0].is_tag}
        if lost := marks - set(found):
            raise NotAllowed("this tag can't stand here", self._line(min(lost)))

    def _line(self, *numbers: int | None) -> int:
        return next(self.pieces[number].line for number in numbers if number is not None)


def _nesting(piece: Piece) -> int:
    if piece.text.startswith(("{% if ", "{% for ")):
        return 1
    return -1 if piece.text.startswith("{% end") else 0


def _unused_name(text: str) -> str:
    name = "scq"
    while name in text:
        name += "q"
    return name + "z"


class _Place:
    """Where in an HTML source we are: in text, or inside a tag, a comment or raw text."""

    def __init__(self) -> None:
        self.inside = ""
        self.quote = ""

    def read(self, text: str) -> None:
        position = 0
        while position < len(text):
            position = self._step(text, position)

    def _step(self, text: str, position: int) -> int:
        if self.inside == "":
            return self._enter(text, position)
        if self.inside == "tag":
            return self._in_tag(text, position)
        ending = text.find("-->", position) if self.inside == "comment" else -1
        if self.inside == "raw" and (match := RAW_END.search(text, position)):
            ending = match.start()
        if ending < 0:
            return len(text)
        self.inside = ""
        return ending + (3 if text.startswith("-->", ending) else 0)

    def _enter(self, text: str, position: int) -> int:
        match = PLACE.search(text, position)
        if match is None:
            return len(text)
        self.inside = str(match.lastgroup)
        if self.inside == "raw" and (end := text.find(">", match.end())) >= 0:
            return end + 1
        return match.end()

    def _in_tag(self, text: str, position: int) -> int:
        if self.quote:
            end = text.find(self.quote, position)
            if end < 0:
                return len(text)
            self.quote = ""
            return end + 1
        match = IN_TAG.search(text, position)
        if match is None:
            return len(text)
        if match[0] == ">":
            self.inside = ""
        else:
            self.quote = match[0]
        return match.end()


OUTER = re.compile(r"<!doctype[^<>]*>|</?(?:html|body)\b[^<>]*>", re.IGNORECASE)
SKIPPED = frozenset(["head", "style", "script", "title", "template"])
SPACED = frozenset(["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote"])
LINES = frozenset(
    [
        "div",
        "tr",
        "li",
        "section",
        "article",
        "header",
        "footer",
        "center",
        "address",
        "pre",
        "dl",
        "dt",
        "dd",
        "form",
        "hr",
        "body",
    ]
)


def text_of(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces of a plain text that says what the HTML ``pieces`` say.

    A loop over table rows becomes a loop over lines; a link becomes ``label (address)``.
    """
    marks = _Marks(pieces)
    source = marks.text()
    if not source.strip():
        return []
    # One element around all, or what stands before <html> would be left out.
    inner = OUTER.sub("", source)
    document = html.document_fromstring(f"<div>{inner}</div>".encode(), parser=_parser())
    written = _TextWriter(marks).write(document)
    return list(_split(written.strip("\n"), marks))


def _parser() -> object:
    return html.HTMLParser(encoding="utf-8", huge_tree=True)


def _split(text: str, marks: _Marks) -> Iterator[Piece]:
    end = 0
    for match in marks.pattern.finditer(text):
        yield Piece(text[end : match.start()])
        yield from marks.groups[int(match[1] or match[2])]
        end = match.end()
    yield Piece(text[end:] + "\n")


class _TextWriter:
    """Writes an HTML tree as lines; spaces and line ends wait until something follows them.

    So ``{% for %}`` before a row takes the row's line end into the loop.
    """

    def __init__(self, marks: _Marks) -> None:
        self.marks = marks
        self.parts: list[str] = []
        self.lines = 0
        self.space = False
        self.skipped = 0

    def write(self, document: object) -> str:
        for event, element in etree.iterwalk(document, events=("start", "end", "comment")):
            if event == "comment":
                self.comment(f"<!--{element.text}-->")
                self.words(element.tail)
            elif event == "start":
                self.start(element)
                self.words(element.text)
            else:
                self.end(element)
                self.words(element.tail)
        return "".join(self.parts)

    def comment(self, comment: str) -> None:
        if not self.skipped and (match := self.marks.pattern.fullmatch(comment)):
            if not self.marks.pieces[int(match[1])].is_block:
                self.gap()
            self.parts.append(comment)

    def start(self, element: object) -> None:
        name = element.tag  # type: ignore[attr-defined]
        self.skipped += name in SKIPPED
        self.line(name)
        if name == "br":
            self.lines += 1
        elif name == "li":
            self.words("- ")
        elif name == "hr":
            self.words("---")
        elif name == "img":
            self.words(element.get("alt"))  # type: ignore[attr-defined]

    def end(self, element: object) -> None:
        name = element.tag  # type: ignore[attr-defined]
        self.skipped -= name in SKIPPED
        if name == "a":
            self.link(element)
        self.line(name)
        self.space = self.space or name in ("td", "th")

    def link(self, element: object) -> None:
        address = (element.get("href") or "").strip()  # type: ignore[attr-defined]
        label = " ".join("".join(element.itertext()).split())  # type: ignore[attr-defined]
        if address and not address.startswith("#") and address not in (label, f"mailto:{label}"):
            self.words(f" ({address})" if label else address)

    def line(self, name: str) -> None:
        wanted = 2 if name in SPACED else 1 if name in LINES else 0
        self.lines = max(self.lines, wanted)

    def words(self, text: str | None) -> None:
        if not text or self.skipped:
            return
        self.space = self.space or text[0].isspace()
        if words := text.split():
            self.gap()
            self.parts.append(" ".join(words))
            self.space = text[-1].isspace()

    def gap(self) -> None:
        if self.lines:
            self.parts.append("\n" * min(self.lines, 2))
        elif self.space and self.parts:
            self.parts.append(" ")
        self.lines, self.space = 0, False
