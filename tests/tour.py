"""Every page of the console, found by its routes, and what is looked at on each."""

from __future__ import annotations

import gettext
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from django.urls import URLPattern, URLResolver, get_resolver
from playwright.sync_api import Error, Page, ViewportSize

from tests.browser import DESK, PHONE, SHOTS, Watch
from tests.installation import Installation
from tests.servers.processes import ROOT

LANGUAGES = {"en": "en-GB", "pt": "pt-PT", "pt-br": "pt-BR"}
LITTLE_WORDS = re.compile(
    r"(?i)\b(and|are|by|from|have|is|its|not|of|that|the|this|to|was|were|when|which|with|your?)\b"
)
"""Two of them in a line are English, whatever the catalogues know of it."""
RULES = ("wcag2a", "wcag2aa", "wcag21aa", "wcag22aa")
KEPT = Path(SHOTS or ROOT / "var" / "screenshots")

# Routes that are no page of their own, by their name.
POSTS = {
    "logout", "set_language", "tenants_backgroundjob_cancel", "domains_domain_check",
    "domains_domain_new_keys", "accounts_emailaccount_switch", "delivery_template_test",
    "templates_app_emailtemplate_preview", "templates_app_emailtemplate_draft",
    "templates_app_emailtemplate_restore", "ai_triage_prompt_activate", "ai_triage_prompt_restore",
    "ai_triage_triageresult_inbox_look", "ai_triage_triageresult_inbox_undo",
    "ai_triage_experiment_end", "logs_emaillog_retry", "logs_emaillog_cancel",
    "webhooks_webhookdelivery_redeliver", "webhooks_webhookendpoint_test",
    "webhooks_webhookendpoint_rotate", "webhooks_webhookendpoint_resend",
}  # fmt: skip
PARTS = {
    "search", "autocomplete", "jsi18n", "tenants_backgroundjob_progress",
    "templates_app_emailtemplate_html", "templates_app_emailtemplate_frame",
    "templates_app_emailtemplate_start", "logs_emaillog_html", "delivery_message_source",
    "delivery_message_recipient", "start_parts", "delivery_account_sending",
    "inbox_inboundemail_html", "caught_html", "opened",
}  # fmt: skip
FILES = {
    "mfa_download_recovery_codes", "tenants_backgroundjob_output", "tenants_backgroundjob_problems",
    "logs_emaillog_attachment", "delivery_message_raw", "inbox_inboundemail_raw", "caught_raw",
    "icon", "metrics",
}  # fmt: skip
ELSEWHERE = {"account_inactive", "clicked", "login", "view_on_site"}
# Figures are counted anew, so they keep no number; their list is one page.
ELSEWHERE |= {"logs_dailyfigures_change", "logs_dailyfigures_history"}
# The token is put away before the page is shown.
LEADS_ON = {"password_reset_confirm"}
# Swagger's page for programmers is opened like the others, but its markup and language are its own.
NOT_OURS = {"docs"}
NO_PAGES = POSTS | PARTS | FILES | ELSEWHERE
NAMELESS = re.compile(r"|/<path:object_id>/$|\(\?P<url>\.\*\)\$$|^\^api|^(health|ready)z$")

ROWS = """
import json
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import RequestFactory
request = RequestFactory().get("/")
request.user = User.objects.get(username={user!r})
rows = {{}}
for model, shown in admin.site._registry.items():
    row = shown.get_queryset(request).order_by("pk").last()
    rows[model._meta.label_lower] = {{
        "pk": row and row.pk,
        "add": shown.has_add_permission(request),
        "delete": shown.has_delete_permission(request, row),
    }}
print(json.dumps(rows))
"""


def routes(
    resolver: URLResolver | None = None, *, prefix: str = ""
) -> Iterator[tuple[str, str | None]]:
    """Yield the address and the name of everything that a browser may open; the API is not."""
    for entry in (resolver or get_resolver()).url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route, entry.name
        elif route != "api/v1/":
            yield from routes(entry, prefix=route)


def pages() -> dict[str, str]:
    """Return the address of each page by its name; where it has none the address is its name."""
    found = {name or route: route for route, name in routes()}
    return {
        name: route
        for name, route in found.items()
        if name not in NO_PAGES and not (name == route and NAMELESS.search(route))
    }


class Places:
    """Where one installation's pages are; ``given`` are the arguments of routes by their names."""

    def __init__(self, shop: Installation, *, user: str, given: Mapping[str, Mapping[str, str]]):
        printed = shop.shell(ROWS.format(user=user))
        self._rows: dict[str, dict[str, Any]] = json.loads(printed)
        self._given = given

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield name and address; what the user may not open is left out."""
        for name, route in pages().items():
            row = self._rows.get(".".join(route.split("/")[1:3]), {})
            of_row = dict.fromkeys(("pk", "object_id", "id"), row.get("pk"))
            if row.get(name.rpartition("_")[2], True):
                yield name, "/" + address(route, self._given.get(name, of_row))


def address(route: str, arguments: Mapping[str, Any]) -> str:
    """Fill the arguments into a route; there must be a row or another argument for each."""
    plain = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", route).replace("^", "").replace("$", "")
    names = re.findall(r"<(?:\w+:)?(\w+)>", plain)
    missing = [name for name in names if arguments.get(name) is None]
    assert not missing, f"nothing to open {plain} with: {missing}"
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(arguments[found[1]]), plain)


class Tour:
    """Opens pages in one language; ``findings`` say what is wrong, and where."""

    def __init__(self, page: Page, *, shop: Installation, language: str) -> None:
        self.page, self._shop, self._language = page, shop, language
        self.watch = Watch(page, own=shop.url)
        self.findings: list[str] = []
        self.report: list[dict[str, Any]] = []
        self._english = english_of(language)

    def open(self, name: str, path: str) -> None:
        self._turn(DESK, "light")
        try:
            self.page.goto(self._shop.url + path, wait_until="load")
        except Error as error:  # as where a route takes no GET
            self._note(name, error.message.splitlines()[0])
            return
        if self.page.url != self._shop.url + path and name not in LEADS_ON:
            self._note(name, f"led to {self.page.url}")
        self.look(name)

    def look(self, name: str) -> None:
        """Look at the open page: on a desk, then on a phone, where it is dark too."""
        known = len(self.findings)
        self.page.evaluate(SETTLED)
        if name not in NOT_OURS:
            for text in self._english_words():
                self._note(name, f"English: {text!r}")
        for size, colours in ((DESK, "light"), (PHONE, "dark")):
            self._turn(size, colours)
            if SHOTS:
                self._picture(name, f"{size['width']}")
            if self._language == "en" and name not in NOT_OURS:
                self._check_access(name, f"{size['width']}")
        for text in self.page.evaluate(MOUSE_ONLY):
            self._note(name, f"only for a mouse: {text}")
        width = self.page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            self._note(name, f"{width} px wide")
        for text in self.watch.findings:
            self._note(name, text)
        self.watch.findings.clear()
        if SHOTS and len(self.findings) > known:
            self._picture(name, "findings")

    def _turn(self, size: ViewportSize, colours: str) -> None:
        self.page.set_viewport_size(size)
        self.page.emulate_media(color_scheme=colours)
        self.page.evaluate(DARKEN, colours == "dark")

    def _note(self, name: str, text: str) -> None:
        self.findings.append(f"{self._language} {name}: {text}")

    def _picture(self, name: str, kind: str) -> None:
        file = KEPT / f"{self._language}-{kind}" / f"{name}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=file, type="jpeg", quality=60)

    def _check_access(self, name: str, width: str) -> None:
        for found in broken_rules(self.page):
            self.report.append({"page": name, "width": width, **found})
            if found["impact"] in ("serious", "critical"):
                where = "; ".join(node["target"] for node in found["nodes"][:3])
                self._note(name, f"axe at {width}: {found['id']} {where}")

    def _english_words(self) -> list[str]:
        if self._language == "en":
            return []
        lines = self.page.evaluate(TEXTS)
        text = " ".join(" ".join(lines).split())
        found = [words for words in self._english if words in text]
        return found + [line for line in lines if len(set(LITTLE_WORDS.findall(line))) > 1]


# The theme asks for the reader's colours once, when a page opens.
DARKEN = """dark => {
    document.documentElement.classList.toggle("dark", dark);
    document.getAnimations().forEach((one) => one.finish());
}"""
MOUSE_ONLY = """() => [...document.querySelectorAll("[x-on\\\\:click]")]
    .filter((one) => one.tabIndex < 0 && one.checkVisibility() && one.textContent.trim())
    .map((one) => one.outerHTML.slice(0, 100))"""
SETTLED = """async () => {
    await new Promise((done) => setTimeout(done));
    await document.fonts.ready;
    const until = Date.now() + 5000;
    while (document.querySelector(".htmx-request, .loading-container") && Date.now() < until)
        await new Promise((done) => setTimeout(done, 20));
}"""
TEXTS = """() => {
    const named = ["aria-label", "title", "placeholder", "alt"];
    const said = [...document.querySelectorAll(named.map((name) => `[${name}]`))]
        .flatMap((one) => named.map((name) => one.getAttribute(name) ?? ""));
    return [document.title, ...document.body.innerText.split("\\n"), ...said];
}"""


def broken_rules(page: Page) -> list[dict[str, Any]]:
    """Return what axe-core finds on the open page; mail in its frame is somebody else's."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    options = {
        "runOnly": {"type": "tag", "values": list(RULES)},
        "resultTypes": ["violations"],
        "iframes": False,
    }
    found = page.evaluate("options => axe.run(document, options)", options)
    return [
        {
            "id": one["id"],
            "impact": one["impact"],
            "help": one["help"],
            "nodes": [
                {
                    "target": " ".join(map(str, node["target"])),
                    "html": node["html"][:300],
                    "why": node["failureSummary"],
                }
                for node in one["nodes"]
            ],
        }
        for one in found["violations"]
    ]


def english_of(language: str) -> list[str]:
    """Return the English texts that the language's catalogue has other words for.

    Short ones are left out: "Filter" may be Portuguese, or a part of another word.
    """
    if language == "en":
        return []
    folder = {"pt": "pt", "pt-br": "pt_BR"}[language]
    with (ROOT / "locale" / folder / "LC_MESSAGES" / "django.mo").open("rb") as file:
        texts = dict(gettext.GNUTranslations(file)._catalog)
    pieces: set[str] = set()
    for key, translation in texts.items():
        text = (key[0] if isinstance(key, tuple) else key).rpartition("\x04")[2]
        whole = re.split(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}|<[^>]*>", text)
        pieces |= {" ".join(piece.split()) for piece in whole if piece not in translation}
    return sorted(piece for piece in pieces if len(re.findall(r"[A-Za-z]", piece)) > 12)
