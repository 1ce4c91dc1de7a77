"""Which opens and clicks no person made: by what positive evidence, each with its name.

Whatever shows no evidence counts as a person's: a program's name alone (curl, an HTTP library) is
none, and neither is a click soon after the message was sent.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from logs.models import EventType

BURST = timedelta(seconds=1)
"""Nobody follows two different links of one message within this time; link scanners do."""
CROWD = 3
"""So many links in a burst are a scanner's even under several addresses, as Microsoft's are; two
may be those of two readers of copies."""

_SCANNERS = (
    r"barracuda|mimecast|proofpoint|url ?defense|safe ?links|messagelabs|symantec|cloudmark"
    r"|fireeye|trend ?micro|sophos|forti(?:net|guard|mail|sandbox)|zscaler|ironport|bitdefender"
    r"|kaspersky|mcafee|virustotal|palo ?alto|checkpoint|spamhaus|spamassassin|rspamd"
    r"|microsoft office (?:existence|protocol) discovery|google-safety"
)
_BOTS = (  # link previews and crawlers; a CUBOT is a telephone
    r"(?<!cu)bots?\b|crawler|spider\b|facebookexternalhit|bingpreview|skypeuripreview"
    r"|whatsapp/|embedly|slurp\b|google-read-aloud|feedfetcher"
)
# Gmail's second name fetches ahead, while the reader's Gmail is open (SparkPost, January 2022).
_GMAIL = r"GoogleImageProxy|Edge/12\.246 (?:Mozilla/5\.0|Gmail-content-sampling)\Z"
_PROGRAM = re.compile(
    rf"(?P<gmail_proxy>{_GMAIL})|(?P<yahoo_proxy>YahooMailProxy)"
    rf"|(?P<scanner>{_SCANNERS})|(?P<bot>{_BOTS})",
    re.IGNORECASE,
)
_APPLE_PRIVACY = "Mozilla/5.0"
"""All that Apple Mail Privacy Protection says of itself; it loads images, but follows no link."""


@dataclass(frozen=True)
class Visit:
    """A request for a message's image or link; ``sign`` is what it said itself (``HitSign``)."""

    tracking_id: UUID
    kind: str
    at: datetime
    address: str | None
    user_agent: str
    url: str = ""
    sign: str = ""


@dataclass
class Clicks:
    """When which links of which messages were followed, and by whom, to look around in."""

    _by_client: dict[tuple[UUID, str | None, str], dict[str, list[datetime]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    _by_message: dict[UUID, dict[str, list[datetime]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    @classmethod
    def of(cls, visits: Iterable[Visit]) -> Clicks:
        """Arrange the clicks among ``visits``, in whatever order they come."""
        clicks = cls()
        for visit in sorted(visits, key=lambda each: each.at):
            if visit.kind == EventType.CLICKED:
                client = (visit.tracking_id, visit.address, visit.user_agent)
                clicks._by_client[client][visit.url].append(visit.at)
                clicks._by_message[visit.tracking_id][visit.url].append(visit.at)
        return clicks

    def links_around(self, visit: Visit) -> int:
        """Return how many links of the message the same client followed within a second."""
        urls = set()
        # What was counted without personal data may be anybody's.
        for who in ((visit.address, visit.user_agent), (None, "")):
            links = self._by_client.get((visit.tracking_id, *who), {})
            urls |= {url for url, times in links.items() if _has_one(times, around=visit.at)}
        return len(urls)

    def are_a_crowd(self, visit: Visit) -> bool:
        """Tell whether too many links were followed with this one, whoever followed them."""
        links = self._by_message.get(visit.tracking_id, {}).values()
        return sum(_has_one(times, around=visit.at) for times in links) >= CROWD


def _has_one(times: list[datetime], *, around: datetime) -> bool:
    return bisect_left(times, around - BURST) < bisect_right(times, around + BURST)


def machine_reason(visit: Visit, *, clicks: Clicks) -> str | None:
    """Return why no person made this visit, None where one may have.

    ``head`` or ``prefetch``: the request says so; ``gmail_proxy``, ``yahoo_proxy``,
    ``apple_privacy``: a mailbox provider loads images for its readers; ``scanner``, ``bot``: the
    program is known; ``many_links``: several links of the message within a second, and what the
    same client loads with them, or three by whomever. ``clicks`` are those around it, its own
    among them.
    """
    if visit.sign:
        return visit.sign
    if found := _PROGRAM.search(visit.user_agent):
        return found.lastgroup
    if visit.kind == EventType.OPENED and visit.user_agent == _APPLE_PRIVACY:
        return "apple_privacy"
    is_one_of_many = visit.kind == EventType.CLICKED and clicks.are_a_crowd(visit)
    return "many_links" if is_one_of_many or clicks.links_around(visit) > 1 else None
