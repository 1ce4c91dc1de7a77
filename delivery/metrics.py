"""What Prometheus is told of queues and of the time that messages take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db import DatabaseError, InterfaceError
from django.utils import timezone
from prometheus_client import Histogram
from prometheus_client.core import GaugeMetricFamily

from delivery.status import account_queues
from logs.models import EmailLog, Priority

SECONDS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15, 60, 300, 1800, 7200, 86400)
acceptance_to_sent = Histogram(
    "sendcraft_acceptance_to_sent_seconds",
    "Time from when a message could first go to the server's 250.",
    ["priority"],
    buckets=SECONDS,
)
GAUGES = {
    "due": "Messages that may go now; some thousands are counted and no more.",
    "sending": "Messages in a worker's hands.",
    "scheduled": "Messages that wait for their time; some thousands are counted and no more.",
    "retrying": "Messages that wait for another try; some thousands are counted and no more.",
}


def observe_sent(emails: Iterable[EmailLog]) -> None:
    """Count how long each message took; ``send_at`` is when it could first go."""
    timers = {each: acceptance_to_sent.labels(each.name.lower()) for each in Priority}
    for email in emails:
        if email.sent_at is not None:
            since = max(email.queued_at, email.send_at or email.queued_at)
            timers[Priority(email.priority)].observe(
                max((email.sent_at - since).total_seconds(), 0)
            )


class QueueCollector:
    """Gauges by account id (an address is nobody else's business), asked at each scrape."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = timezone.now()
        gauges = {name: _gauge(name, text) for name, text in GAUGES.items()}
        sent = _gauge("sent_per_minute", "Messages that went out in the last minute.")
        oldest = _gauge("oldest_seconds", "Age of the open message at the front.")
        held = _gauge("held", "1 where due messages wait: a pause, a limit, a failing server.")
        try:
            queues = account_queues(at=now)
        except (DatabaseError, InterfaceError):
            return  # the other metrics must not go with the database
        for queue in queues:
            label = [str(queue.account_id)]
            for name, gauge in gauges.items():
                gauge.add_metric(label, getattr(queue, name).number)
            sent.add_metric(label, queue.sent)
            oldest.add_metric(label, (now - queue.oldest).total_seconds())
            held.add_metric(label, bool(queue.held))
        yield from (*gauges.values(), sent, oldest, held)


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"sendcraft_queue_{name}", text, labels=["account"])
