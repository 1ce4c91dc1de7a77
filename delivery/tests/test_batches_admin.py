"""Staff see what became of a bulk request's messages."""

from __future__ import annotations

import pytest
from lxml import html

from delivery.models import SendBatch
from logs.tests.builders import an_email
from tests.factories import make_template
from tests.staff import staff

pytestmark = pytest.mark.django_db
LIST = "/admin/delivery/sendbatch/"


@pytest.fixture
def viewer(tenant):
    return staff(tenant)


@pytest.fixture
def batch(tenant) -> SendBatch:
    template = make_template(tenant, "news")
    return SendBatch.objects.create(tenant=tenant, template=template, accepted=4)


def ways(client, batch) -> dict[str, str]:
    """What the batch's page says of each state, with where it leads."""
    page = html.fromstring(client.get(f"{LIST}{batch.pk}/change/").content.decode())
    links = page.xpath("//a[contains(@href, 'batch_id=')][contains(@href, 'status__exact=')]")
    return {link.text_content(): link.get("href") for link in links}


def test_a_batch_tells_its_messages_by_state_and_leads_to_them(viewer, tenant, other_tenant, batch):
    for status in ("sent", "sent", "failed"):
        an_email(tenant, status=status, batch_id=batch.public_id)
    an_email(tenant, status="sent", to_address="elsewhere@example.com")
    an_email(other_tenant, status="bounced", batch_id=batch.public_id)

    found = ways(viewer, batch)

    assert list(found) == ["sent: 2", "failed: 1"]
    listed = viewer.get(found["sent: 2"])
    assert "elsewhere@example.com" not in listed.content.decode()
    assert len(listed.context["cl"].result_list) == 2


def test_a_batch_and_its_page_are_named_by_its_id(viewer, batch):
    page = viewer.get(f"{LIST}{batch.pk}/change/").content.decode()

    assert str(batch.public_id) in viewer.get(LIST).content.decode()
    assert str(batch.public_id) in page
    assert "ublic id" not in page


def test_a_batch_whose_messages_are_gone_still_has_its_page(viewer, batch):
    assert ways(viewer, batch) == {}


def test_a_longer_list_of_batches_counts_no_messages(
    viewer, tenant, batch, django_assert_max_num_queries
):
    with django_assert_max_num_queries(12) as asked:
        viewer.get(LIST)

    assert not [one for one in asked if "logs_emaillog" in one["sql"]]
