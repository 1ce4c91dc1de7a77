"""Templates to start from: an MJML layout each, with texts and sample data in our languages."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from django.utils.translation import pgettext_lazy

from templates_app import studio

FOLDER = Path(__file__).with_name("starting_points")
PLACE = re.compile(r"\[\[(\w+)\]\]")
NAMES = {
    "order_confirmation": pgettext_lazy("kind of mail", "Order confirmation"),
    "supplier_order": pgettext_lazy("kind of mail", "Order to a supplier"),
    "invitation": pgettext_lazy("kind of mail", "Invitation"),
    "password_reset": pgettext_lazy("kind of mail", "Password reset"),
    "newsletter": pgettext_lazy("kind of mail", "Newsletter"),
}
LANGUAGES = {"en": "English", "pt": "Português", "pt-br": "Português (Brasil)"}
CODE = re.compile(rf"({'|'.join(NAMES)})\.({'|'.join(LANGUAGES)})")


@dataclass(frozen=True)
class StartingPoint:
    """A template ready to be changed and saved."""

    code: str
    name: str
    subject: str
    html_content: str
    template_type: str
    sample_data: dict[str, object]
    language: str

    def fields(self) -> dict[str, object]:
        """Return what a form is filled with, in the contract's names."""
        return {
            "name": self.name,
            "subject": self.subject,
            "source_format": "mjml",
            "html_content": self.html_content,
            "template_type": self.template_type,
            "sample_data": self.sample_data,
        }


def starting_point(code: str, *, company: str = "") -> StartingPoint | None:
    """Return the one that ``code`` names, such as ``newsletter.pt``; ``company`` signs it."""
    match = CODE.fullmatch(code)
    if match is None:
        return None
    name, language = match.groups()
    about = _about(name)
    texts = {**_about("common")[language], **about[language]}
    signed = re.sub(r"[{}%]", "", company).strip() or texts["company"]
    texts["company"] = escape(signed)
    return StartingPoint(
        code=code,
        name=texts["name"],
        subject=_filled(texts["subject"], {**texts, "company": signed}),
        html_content=_filled(_layout(name), texts),
        template_type=about["template_type"],
        sample_data=about[language]["sample"],
        language=language,
    )


@lru_cache(maxsize=len(NAMES) * len(LANGUAGES))
def rendered(code: str) -> str | None:
    """Return the HTML of a starting point with its sample data."""
    point = starting_point(code)
    if point is None:
        return None
    draft = studio.Draft(
        subject=point.subject,
        html_content=point.html_content,
        source_format="mjml",
        sample=studio.written(point.sample_data),
    )
    return studio.show(draft, language=point.language).rendered.html


@lru_cache(maxsize=len(NAMES))
def _layout(name: str) -> str:
    head = (FOLDER / "head.mjml").read_text(encoding="utf-8").rstrip("\n")
    layout = (FOLDER / f"{name}.mjml").read_text(encoding="utf-8")
    return layout.replace("[[head]]", head)


@lru_cache(maxsize=len(NAMES) + 1)
def _about(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def _filled(text: str, values: dict[str, Any]) -> str:
    """Return ``text`` with its places filled; a text may have places of its own."""
    for _depth in range(2):
        text = PLACE.sub(lambda match: values[match[1]], text)
    return text
