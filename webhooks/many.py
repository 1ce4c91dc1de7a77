"""Testing many webhooks, and sending many deliveries again, as background jobs."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from common.errors import Refused, SendCraftError
from tenants.background import register
from tenants.each import ForEach
from tenants.models import BackgroundJob
from tenants.services import start_job
from webhooks import services
from webhooks.models import DeliveryStatus, WebhookDelivery, WebhookEndpoint

REDELIVERY, TEST = "webhooks.redeliver", "webhooks.test"
NOT_TAKEN = "not_taken"


def start_redelivery(endpoint: WebhookEndpoint, *, created_by: User | None) -> BackgroundJob:
    """Send again all that the endpoint failed to take."""
    params = {"endpoint": endpoint.pk}
    return start_job(REDELIVERY, tenant=endpoint.tenant, created_by=created_by, params=params)


def _deliveries(job: BackgroundJob) -> QuerySet[WebhookDelivery]:
    rows = WebhookDelivery.objects.for_tenant(job.tenant).select_related("endpoint")
    if "endpoint" in job.params:
        # What failed has no next attempt: said, the index for what is due gives the order of ids.
        rows = rows.filter(
            endpoint=job.params["endpoint"], status=DeliveryStatus.FAILED, next_attempt_at=None
        )
    return rows


def redeliver(delivery: WebhookDelivery) -> None:
    """Send it again after what waits: one before the other, the last would come first."""
    services.redeliver(delivery, is_first=False)


def test(endpoint: WebhookEndpoint) -> None:  # a verb, no test
    answer = services.send_test(endpoint)
    if not answer.is_ok:
        raise Refused(answer.error, code=NOT_TAKEN)


def _tested(endpoint: WebhookEndpoint, error: SendCraftError) -> str:
    return f"{endpoint.host}: {error.detail}"


register(
    REDELIVERY,
    ForEach(
        label=_("Sending to webhooks again"),
        rows=_deliveries,
        verb=redeliver,
        done=_("On their way"),
        words={"inactive": _("Its webhook is off."), "gone": _("It was deleted meanwhile.")},
        named=lambda delivery, _error: str(delivery.public_id),
    ).kind(),
)
register(
    TEST,
    ForEach(
        label=_("Test of webhooks"),
        rows=lambda job: WebhookEndpoint.objects.for_tenant(job.tenant),
        verb=test,
        waits=True,
        done=_("Took the test event"),
        refused=_("Did not take it"),
        words={
            NOT_TAKEN: _("It did not take the test event."),
            "secret_unreadable": _("Its secret can't be read."),
        },
        named=_tested,
    ).kind(),
)
