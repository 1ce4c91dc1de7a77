"""Compile what staff wrote into what a template version stores, once per change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import minijinja

from common.errors import Refused
from templates_app import analysis, markup
from templates_app.language import (
    NotAllowed,
    Piece,
    Source,
    assemble,
    pieces_for_text,
    read,
    refusal,
)
from templates_app.rendering import CONTROL_CHARACTER, FIELDS, CompiledTemplate, environment

# Given by us when a message is sent, so nobody's request has to bring them.
SUPPLIED = frozenset({"unsubscribe_url"})


def compile_template(
    *,
    subject: str,
    html_content: str,
    source_format: Literal["html", "mjml"] = "html",
    text_content: str = "",
) -> CompiledTemplate:
    """Return the template checked and compiled; an empty text is derived from the HTML.

    Raises:
        Refused: ``template_error`` with the line, for the field it is in.
    """
    line = read(subject.strip(), attr="subject")
    body = read(html_content, attr="html_content")
    text = read(text_content, attr="text_content")
    _refuse_control_characters(line)
    html, derived = _compile_body(body, source_format)
    found = analysis.reads(line.tree, body.tree, text.tree)
    compiled = CompiledTemplate(
        subject=assemble(line.pieces),
        html=assemble(html),
        text=assemble(text.pieces if text_content.strip() else derived),
        variables=found.variables,
        needs=tuple(path for path in found.needs if analysis.root(path) not in SUPPLIED),
    )
    _check(compiled)
    return compiled


def _compile_body(body: Source, source_format: str) -> tuple[list[Piece], list[Piece]]:
    plain = _in_place_of(body.pieces, pieces_for_text(body))
    try:
        html = markup.compile_html(body.pieces, is_mjml=source_format == "mjml")
        return html, markup.text_of([plain.get(id(piece), piece) for piece in html])
    except NotAllowed as error:
        raise refusal(str(error), line=error.line, attr="html_content") from error


def _in_place_of(pieces: Sequence[Piece], others: Iterable[Piece]) -> dict[int, Piece]:
    return {id(piece): other for piece, other in zip(pieces, others, strict=True) if piece.is_tag}


def _refuse_control_characters(subject: Source) -> None:
    if any(CONTROL_CHARACTER.search(piece.text) for piece in subject.pieces if not piece.is_tag):
        raise Refused("The subject has a control character.", attr="subject")


def _check(compiled: CompiledTemplate) -> None:
    try:
        environment(compiled)
    except minijinja.TemplateError as error:
        attr = FIELDS.get(error.name or "", "html_content")
        raise refusal(error.message, line=error.line or 1, attr=attr) from error
