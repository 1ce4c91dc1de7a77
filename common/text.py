"""What one line of outside text may hold before it comes near a mail header."""

from __future__ import annotations

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
