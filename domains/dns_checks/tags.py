"""The ``tag=value;`` lists of DKIM (RFC 6376 section 3.2) and DMARC."""

from __future__ import annotations


def parse_tags(text: str) -> dict[str, str] | None:
    """Return the tags of ``text`` in their order, None where it is no such list."""
    tags: dict[str, str] = {}
    for part in text.rstrip().removesuffix(";").split(";"):
        name, equals, value = part.partition("=")
        key = name.strip()
        if not equals or not key.isidentifier() or key in tags:
            return None
        tags[key] = value.strip()
    return tags


def format_tags(tags: dict[str, str]) -> str:
    """Return the text of ``tags``."""
    return "; ".join(f"{name}={value}" for name, value in tags.items())
