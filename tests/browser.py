"""Chromium over an installation, what must not happen on its pages, and who provokes it."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from playwright.sync_api import Browser, Page, Request, Response, sync_playwright

from tests.installation import PASSWORD, USER
from tests.servers.databases import skip_or_fail

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SHOTS = os.environ.get("SENDCRAFT_SCREENSHOTS")
"""A folder for pictures to look at; none are kept without it."""
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
# Forms of the common lists (OWASP's, PortSwigger's), and Alpine's, since the theme runs Alpine.
PAYLOADS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "'\"--></style></title></textarea><svg/onload=alert(1)>",
    '<img src=x onerror="alert(1)">',
    "<img src='{canary}/image'>",
    "<body onload=alert(1)><details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<a href='javascript:alert(1)'>click</a>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe src='javascript:alert(1)'></iframe><iframe src='{canary}/frame'></iframe>",
    "<object data='{canary}/object'></object><embed src='{canary}/embed'>",
    "<link rel=stylesheet href='{canary}/style'><style>@import '{canary}/import'</style>",
    "<div style=\"background:url('{canary}/background')\">x</div>",
    "<video poster='{canary}/poster' src='{canary}/video' autoplay></video>",
    "<base href='{canary}/'><script src='{canary}/script'></script>",
    "<meta http-equiv=refresh content='0;url={canary}/refresh'>",
    "<form id=f action='{canary}/form'></form><button form=f autofocus>x</button>",
    "<math><mtext></p><style><img src=x onerror=alert(1)></style></mtext></math>",
    "<div x-data x-init='alert(1)' x-html=\"'<img src=x onerror=alert(1)>'\"></div>",
    "<template x-if=\"alert(1)\"><p></p></template>${{alert(1)}} [[alert(1)]]",
]  # fmt: skip


class Canary:
    """A server of somebody else on loopback; ``calls`` counts who came."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.2", 0))
        self.url = f"http://127.0.0.2:{self._socket.getsockname()[1]}"
        self.calls = 0
        Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.calls += 1
                connection.close()

    @property
    def payloads(self) -> list[str]:
        """What an attacker writes into a text field; where it loads something, from here."""
        return [text.replace("{canary}", self.url) for text in PAYLOADS]

    def close(self) -> None:
        self._socket.close()


class Watch:
    """Everything on a page that must not be: dialogs, foreign requests, errors, failed answers."""

    def __init__(self, page: Page, *, own: str) -> None:
        self._own = own
        self.findings: list[str] = []
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self._note("script error", str(error)))
        page.on("console", self._console)
        page.on("response", self._response)
        page.on("requestfailed", self._failure)

    def _note(self, *what: object) -> None:
        self.findings.append(" ".join(map(str, what)))

    def _dialog(self, dialog) -> None:
        self._note("dialog", dialog.message)
        dialog.dismiss()

    def _console(self, message) -> None:
        """What the sandbox and the policy of a frame refuse is what they are for.

        Chromium puts a refused frame down to the site; only the policies of outside HTML leave
        ``frame-src`` out.
        """
        refused = ("sandboxed", "'frame-src' was not explicitly set")
        in_mail = is_mail(message.location["url"]) or any(text in message.text for text in refused)
        if message.type == "error" and not in_mail:
            self._note("console", message.location["url"], message.text)

    def _response(self, response: Response) -> None:
        if not response.url.startswith((self._own, "data:")):
            self._note("foreign answer", response.url)
        elif response.status >= 400:
            self._note(response.status, response.url)

    def _failure(self, request: Request) -> None:
        reason = request.failure or ""
        refused_by_policy = reason == "csp" or "BLOCKED_BY_CSP" in reason
        if not refused_by_policy and "ERR_ABORTED" not in reason:
            self._note("failed request", request.url, reason)


def is_mail(url: str) -> bool:
    """Whether an address is that of outside HTML in its frame."""
    return re.search(r"/html/?([?#].*)?$", url) is not None or url == "about:srcdoc"


@contextmanager
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        skip_or_fail("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def log_in(page: Page, url: str, *, user: str = USER, lands_on: str = "/admin/") -> None:
    page.goto(f"{url}/admin/")
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{url}{lands_on}")


def show(page: Page, url: str) -> None:
    """Open a page and wait until its frames and scripts are done."""
    answer = page.goto(url)
    assert answer is not None
    assert answer.status == 200, url
    page.wait_for_load_state("networkidle")
    for frame in page.locator("iframe").all():
        allowed = (frame.get_attribute("sandbox") or "").split()
        assert frame.get_attribute("sandbox") is not None, url
        assert not {"allow-scripts", "allow-same-origin", "allow-top-navigation"} & set(allowed)


def is_narrow(page: Page) -> bool:
    """Whether nothing of the page is wider than its window."""
    width = page.evaluate("document.documentElement.scrollWidth")
    return width <= page.viewport_size["width"]


def picture(page: Page, name: str, *, whole: bool = True) -> None:
    """Keep a picture of the page, or of what a reader sees of it, where pictures are wanted."""
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=whole)
