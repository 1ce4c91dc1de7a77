"""Comparing books: what the product accepted, what it says of it, and what a server received."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.installation import SETTLED, Installation
from tests.servers.waiting import until

MESSAGE_ID = re.compile(rb"^Message-ID: <([0-9a-f-]{36})@", re.MULTILINE)
DATE = re.compile(rb"^Date: (.+?)\r?$", re.MULTILINE)


@dataclass(frozen=True)
class Tally:
    """One run's books: tracking ids that were answered with 202, and the mails that arrived."""

    accepted: frozenset[str]
    mails: list[bytes]
    received: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "received", Counter(map(tracking_id, self.mails)))

    @property
    def lost(self) -> set[str]:
        return set(self.accepted) - set(self.received)

    @property
    def extra(self) -> int:
        """How many mails are a further copy of one that had arrived."""
        return self.received.total() - len(self.received)

    def assert_nothing_lost_or_invented(self) -> None:
        assert self.lost == set()
        assert set(self.received) == self.accepted
        self.assert_copies_are_alike()

    def assert_copies_are_alike(self) -> None:
        """Each message has one Date, however often it came."""
        dates = {(tracking_id(mail), DATE.search(mail)[1]) for mail in self.mails}
        assert len(dates) == len(self.received)


def tracking_id(mail: bytes) -> str:
    return MESSAGE_ID.search(mail)[1].decode()


def request_of(account: str, number: int, *, to: str = "r{number}@example.com") -> dict:
    return {
        "from_account": account,
        "to_address": to.format(number=number),
        "subject": f"Order {number}",
        "text": "Thank you.",
    }


def accept(
    installation: Installation, account: str, count: int, *, to: str = "r{number}@example.com"
) -> frozenset[str]:
    """Tracking ids of so many messages that were answered with 202."""
    requests = [request_of(account, number, to=to) for number in range(count)]
    with ThreadPoolExecutor(4) as pool:
        made = pool.map(lambda each: installation.made("/emails/send", each, status=202), requests)
        return frozenset(answer["tracking_id"] for answer in made)


def rows_of(installation: Installation, account: str) -> dict[str, dict]:
    """All messages of the account by tracking id, as the API shows them."""
    rows = {}
    page = f"{installation.url}/api/v1/logs?account={account}&page_size=200"
    while page:
        answer = installation.session.get(page, timeout=30).json()
        rows |= {row["tracking_id"]: row for row in answer["results"]}
        page = answer["next"]
    return rows


def settled_rows(
    installation: Installation,
    account: str,
    accepted: Iterable[str],
    *,
    timeout: float = 90,
    meanwhile: Callable[[], object] = lambda: None,
) -> dict[str, dict]:
    """The account's messages once each is in a final state, exactly those that were accepted."""

    def all_settled() -> bool:
        meanwhile()
        waiting = installation.session.get(
            f"{installation.url}/api/v1/logs?account={account}&status=queued,sending&page_size=1",
            timeout=30,
        ).json()
        return not waiting["results"]

    until(all_settled, timeout=timeout, what=f"all mail of {account} settled")
    rows = rows_of(installation, account)
    assert set(rows) == set(accepted)
    assert {row["status"] for row in rows.values()} <= SETTLED
    return rows


def statuses(rows: dict[str, dict]) -> Counter[str]:
    return Counter(row["status"] for row in rows.values())
