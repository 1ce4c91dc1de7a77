"""Fill an installation of its own and take the pictures of ``docs/images``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.browser import Watch, chromium
from tests.installation import Installation
from tests.screenshots import shop as fill
from tests.screenshots.correspondence import NEWS
from tests.screenshots.mail_server import GONE
from tests.screenshots.png import shrink
from tests.servers.processes import ROOT

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
LARGEST = 200_000
INBOX = "ai_triage/triageresult/inbox/"
Steps = Callable[[Page], None]


def first_row(page: Page, *, named: str) -> None:
    page.get_by_role("link", name=named).first.click()


def nothing(page: Page) -> None:
    """The page as it opens."""


def domain(page: Page) -> None:
    first_row(page, named="alitools.pt")
    page.get_by_role("button", name="Check the DNS now").click()
    expect(page.get_by_text("Checked just now.")).to_be_visible()


def account(page: Page) -> None:
    first_row(page, named=NEWS)


def studio(page: Page) -> None:
    first_row(page, named="Confirmação de encomenda")
    mail = page.frame_locator("#studio-host iframe:last-of-type").locator("body")
    expect(mail).to_contain_text("A-1047")


def message(page: Page) -> None:
    page.get_by_role("link", name=GONE).first.click()
    page.get_by_text("SMTP dialogue").last.click()
    second = page.locator(".timeline [data-kind=sending]").last
    second.evaluate("step => step.scrollIntoView({block: 'center'})")


def a_letter(page: Page) -> None:
    page.locator(".inbox-row", has_text="Rui Tavares").click()
    expect(page.locator("[data-heading]")).to_contain_text("A-1043")


def prompt(page: Page) -> None:
    first_row(page, named="default")
    versions = page.get_by_role("link", name="What changed").first
    versions.evaluate("it => it.scrollIntoView({block: 'center'})")


def try_out(page: Page) -> None:
    prompt(page)
    first_row(page, named="Try out on past mail")
    page.get_by_role("searchbox", name="Sender or subject").fill("berbequim")
    page.get_by_role("button", name="Search").click()
    first_row(page, named="Garantia do berbequim")
    page.get_by_role("button", name="Ask default").click()
    expect(page.locator("#tryout")).to_contain_text("falta o número da encomenda")
    page.locator("#tryout").evaluate("it => it.scrollIntoView({block: 'end'})")


def half_way(page: Page) -> None:
    first_row(page, named="Import of suppressions")
    expect(page.get_by_role("status")).to_contain_text("running")


@dataclass(frozen=True)
class Picture:
    """What is on one picture: a path of the admin, and steps from there."""

    name: str
    path: str
    steps: Steps = nothing
    locale: str = "en-GB"
    size: Any = None
    colours: str = "light"


PICTURES = (
    Picture("start", ""),
    Picture("domain", "domains/domain/", domain),
    Picture("account", "accounts/emailaccount/", account),
    Picture("studio", "templates_app/emailtemplate/", studio),
    Picture("messages", "logs/emaillog/"),
    Picture("message", "logs/emaillog/?status__exact=bounced", message),
    Picture("inbox", INBOX),
    Picture("prompt", "ai_triage/prompt/", prompt),
    Picture("try-out", "ai_triage/prompt/", try_out),
    Picture("suppressions", "delivery/suppression/"),
    Picture("webhook-deliveries", "webhooks/webhookdelivery/"),
    Picture("import", "tenants/backgroundjob/", half_way),
    Picture("inbox-dark", INBOX, a_letter, locale="pt-PT", colours="dark"),
    Picture("start-phone", "", size=PHONE),
)


def take(browser: Browser, shop: Installation, picture: Picture, *, folder: Path) -> list[str]:
    """Write the picture; return what was wrong while its page was open."""
    context = browser.new_context(
        viewport=picture.size or DESK,
        locale=picture.locale,
        color_scheme=picture.colours,
        timezone_id="Europe/Lisbon",
        reduced_motion="reduce",
    )
    page = context.new_page()
    watch = Watch(page, own=shop.url)
    page.goto(f"{shop.url}/admin/login/")
    page.fill("input[name=username]", fill.USER)
    page.fill("input[name=password]", fill.PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{shop.url}/admin/")
    page.goto(f"{shop.url}/admin/{picture.path}")
    picture.steps(page)
    page.wait_for_load_state("networkidle")
    target = folder / f"{picture.name}.png"
    page.screenshot(path=target, animations="disabled", caret="hide")
    context.close()
    shrink(target)
    if target.stat().st_size > LARGEST:
        watch.findings.append(f"{target.stat().st_size} bytes")
    return [f"{picture.name}: {finding}" for finding in watch.findings]


def main(folder: Path, *names: str) -> None:
    """Take all pictures, or those of these names; anything wrong on a page fails."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [one for one in PICTURES if not names or one.name in names]
    findings: list[str] = []
    with (
        chromium() as browser,  # missed before the shop's day is played
        tempfile.TemporaryDirectory(prefix="sendcraft-") as data,
        fill.running_shop(Path(data)) as shop,
    ):
        for picture in wanted:
            findings += take(browser, shop, picture, folder=folder)
    if findings:
        sys.exit("\n".join(findings))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "docs" / "images", *sys.argv[2:])
