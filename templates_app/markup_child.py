"""The program that compiles MJML and inlines CSS for ``markup``, in a process that may die."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable

import css_inline
import mjml

MOST_CPU_SECONDS = 1
MOST_MEMORY = 1 << 30


def main() -> None:
    """Answer ``{"text"}`` or ``{"error"}`` to one ``{"step", "text"}`` on standard input."""
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_SECONDS, MOST_CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    order = json.load(sys.stdin)
    try:
        answer = {"text": STEPS[order["step"]](order["text"])}
    except (OSError, ValueError) as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)


def _inline(text: str) -> str:
    return css_inline.inline(text, load_remote_stylesheets=False, keep_at_rules=True)


def _compile(text: str) -> str:
    compiled: str = mjml.mjml2html(text, fonts={})  # none from other servers unless asked for
    return compiled


STEPS: dict[str, Callable[[str], str]] = {"mjml": _compile, "css": _inline}

if __name__ == "__main__":
    main()
