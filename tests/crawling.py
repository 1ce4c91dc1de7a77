"""What the pages of the admin offer to somebody: links to follow, and forms to send."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import resolve
from lxml import html

START = "/admin/"
EACH = 3
"""So many pages of a view are looked at, and none of Django's histories: rows are alike."""
# A person's own password, second factor and session: no tenant's business.
OWN = ("/admin/logout/", "/admin/password_change/", "/admin/second-factor/", "/admin/sign-out/")
OWN_TABLES = ("django_session",)
WRITING = ("INSERT", "UPDATE", "DELETE", "REPLACE")


@dataclass(frozen=True)
class Sent:
    """A form as a browser sends it when one of its buttons is pressed."""

    url: str
    fields: tuple[tuple[str, str], ...]
    button: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells this offer from others: where it goes, and what for."""
        return urlsplit(self.url).path, self.button

    def data(self) -> dict[str, list[str]]:
        data: dict[str, list[str]] = {}
        for name, value in self.fields:
            data.setdefault(name, []).append(value)
        return data


@dataclass
class Offers:
    """All that a person finds: pages by their path with their status, forms, and where each was."""

    pages: dict[str, int] = field(default_factory=dict)
    forms: dict[tuple[str, str], Sent] = field(default_factory=dict)
    found_on: dict[object, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came of sending a form, all of it undone."""

    status: int
    location: str
    writes: tuple[str, ...]

    @property
    def is_refused(self) -> bool:
        return self.status in (403, 404, 405) or (self.location == START and not self.writes)


def crawl(client: Client) -> Offers:
    """Follow every link from the start page on, each path once."""
    offers, seen = Offers(), Counter[str]()
    waiting = [START]
    while waiting:
        url = waiting.pop()
        path = urlsplit(url).path
        view = resolve(path).view_name if path not in offers.pages else ""
        if not view or view.endswith("_history") or seen[view] == EACH:
            continue
        seen[view] += 1
        answer = client.get(url)
        is_lost = answer.status_code == 302 and answer["Location"] == START
        offers.pages[path] = 404 if is_lost else answer.status_code
        if answer.status_code == 302 and not is_lost:
            waiting.append(urljoin(url, answer["Location"]))
        if not answer.streaming and "text/html" in answer.get("Content-Type", ""):
            tree = html.fromstring(answer.content or b"<p></p>")
            for link in links(tree, url):
                offers.found_on.setdefault(urlsplit(link).path, path)
                waiting.append(link)
            for sent in forms(tree, url):
                offers.found_on.setdefault(sent.key, path)
                offers.forms.setdefault(sent.key, sent)
    return offers


def links(tree: html.HtmlElement, url: str) -> Iterator[str]:
    found = tree.xpath("//a/@href | //*/@hx-get | //iframe/@src | //form[@method='get']/@action")
    for link in found:
        whole = urljoin(url, link)
        if is_ours(whole):
            yield whole


def forms(tree: html.HtmlElement, url: str) -> Iterator[Sent]:
    for form in tree.forms:
        if form.method == "POST":
            yield from _presses(form, urljoin(url, form.action or url), tree)
    for element in tree.xpath("//*[@hx-post]"):
        form = next(element.iterancestors("form"), None)
        fields = tuple(form.form_values()) if form is not None else ()
        target = urljoin(url, element.get("hx-post"))
        if is_ours(target):
            yield Sent(target, fields, "hx")


def _presses(form: html.FormElement, action: str, tree: html.HtmlElement) -> Iterator[Sent]:
    """Yield the form once for each of its buttons, and for each action of a list."""
    named = form.get("id")
    outside = tree.xpath("//button[@form=$id]", id=named) if named else []
    inside = form.xpath(".//button[not(@form)] | .//input[@type='submit']")
    values = tuple(form.form_values())
    choices = form.xpath(".//select[@name='action']/option/@value")
    rows = form.xpath(".//input[@name='_selected_action']/@value")
    for button in [*inside, *outside]:
        if button.tag == "button" and button.get("type", "submit") != "submit":
            continue
        target = urljoin(action, button.get("formaction") or action)
        name = button.get("name")
        pressed = ((name, button.get("value", "")),) if name else ()
        if not is_ours(target):
            continue
        if choices:
            chosen = tuple(pair for pair in values if pair[0] not in ("action", "_selected_action"))
            for choice in filter(None, choices):
                row = (("action", choice), ("_selected_action", rows[0])) if rows else ()
                yield Sent(target, (*chosen, *pressed, *row), choice)
        else:
            yield Sent(target, (*values, *pressed), name or "")


def is_ours(url: str) -> bool:
    path = urlsplit(url).path
    return path.startswith(START) and not path.startswith(OWN)


def sent(client: Client, offer: Sent) -> Answer:
    """Send a form for real, and undo what it stored."""
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        answer = client.post(offer.url, offer.data())
        transaction.set_rollback(True)
    writes = tuple(
        statement
        for query in queries
        if (statement := query["sql"]).startswith(WRITING)
        and not any(table in statement[:60] for table in OWN_TABLES)
    )
    return Answer(answer.status_code, answer.get("Location", ""), writes)
