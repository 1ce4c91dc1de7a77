"""How much one render may do, and what it raises when a value doesn't suit."""

from __future__ import annotations

import threading

MAX_WORK = 10_000_000
MAX_OUTPUT = 5_000_000


class Fault(Exception):
    """A value does not suit the operation that the template applies to it."""

    def __init__(self, message: str, *, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class Job(threading.local):
    """What the render running in this thread may still do; a render never changes threads."""

    language = "en"
    is_html = False
    work = 0
    output = 0

    def start(self, *, language: str, is_html: bool) -> None:
        self.language, self.is_html = language, is_html
        self.work, self.output = MAX_WORK, MAX_OUTPUT

    def charge(self, amount: int) -> None:
        self.work -= amount + 1
        if self.work < 0:
            raise Fault("the template does too much work with these variables")


JOB = Job()
