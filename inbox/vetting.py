"""``python -m inbox.vetting``: takes mails apart before we do, where that can be killed.

It reads mails from its input, each behind its length (8 bytes), and answers each with a line: empty
if the mail can be read, else why not. A mail that needs too much time or memory ends the program:
by SIGPROF where it was the time. It knows no settings, no database and no secrets.
"""

from __future__ import annotations

import resource
import signal
import struct
import sys
from typing import IO

from inbox import automatic, mime, prose, reading
from inbox.kinds import QuarantineReason

LENGTH = struct.Struct(">Q")
MEMORY_BYTES = 1024 * 1024 * 1024
CPU_SECONDS = 5.0
"""For one mail, of the processor's time: a busy machine makes no mail look bad."""


def verdict_on(raw: bytes) -> str:
    """Return the reason why a mail must not be taken apart, empty if it was."""
    try:
        mail = reading.read(raw)
        _ = prose.read_any(mail) or automatic.mail_kind(mail)
    except mime.Unsafe as unsafe:
        return str(unsafe.reason.value)
    except Exception:  # noqa: BLE001  the verdict is all that matters
        return str(QuarantineReason.UNREADABLE.value)
    return ""


def serve(given: IO[bytes], answers: IO[bytes]) -> None:
    """Judge mail after mail until there is none."""
    while len(length := given.read(LENGTH.size)) == LENGTH.size:
        raw = given.read(LENGTH.unpack(length)[0])
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        verdict = verdict_on(raw)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(f"{verdict}\n".encode())
        answers.flush()


def _bind() -> None:
    """Give up what a hostile mail could use, and the memory that a bomb would need."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


if __name__ == "__main__":
    _bind()
    serve(sys.stdin.buffer, sys.stdout.buffer)
