"""What outside text may hold before it is stored or comes near a mail header."""

from __future__ import annotations

import json
import re

from common.errors import Refused

# C0, DEL and C1 controls, the Unicode line breaks, and half characters that UTF-8 cannot hold.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def check_text(value: str, attr: str) -> str:
    """Return ``value`` unchanged when it is one line without control characters.

    Raises:
        Refused: it holds a control character, a line break of any kind or a lone surrogate.
    """
    if found := _FORBIDDEN.search(value):
        detail = f"A control character (U+{ord(found[0]):04X}) is not allowed here."
        raise Refused(detail, attr=attr)
    return value


def has_lone_surrogate(data: object) -> bool:
    """Tell whether a text or a key in ``data``, read from JSON, has half a character.

    JSON can write one as ``"\\ud83d"``; UTF-8 can't, so neither pages nor databases take it.

    Raises:
        RecursionError: it is nested too deep to be written again.
    """
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
