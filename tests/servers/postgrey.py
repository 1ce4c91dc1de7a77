"""A real Postgrey: whom it does not know has to come back."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .processes import running
from .waiting import answers

USER = "postgrey"


@contextmanager
def postgrey(*, port: int, delay: int) -> Iterator[None]:
    """Answer Postfix at ``port``; a recipient's first mail has to wait ``delay`` seconds."""
    folder = Path(tempfile.mkdtemp(prefix="sendcraft-postgrey-"))
    shutil.chown(folder, USER)
    command = [_program() or "postgrey", f"--inet=127.0.0.1:{port}", f"--delay={delay}"]
    command += [f"--dbdir={folder}", f"--user={USER}", "--auto-whitelist-clients=0"]
    try:
        with running(command, ready=lambda _: answers(port)):
            yield
    finally:
        shutil.rmtree(folder)


def missing() -> str | None:
    """Return why it can't be started here, or None."""
    return None if _program() else "Postgrey is not installed"


def _program() -> str | None:
    return shutil.which("postgrey", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
