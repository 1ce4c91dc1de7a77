"""Workers judge what waits."""

from __future__ import annotations

import pytest

from ai_triage import jobs
from ai_triage.models import Status, TriageResult
from ai_triage.tests.test_process_api import PROCESS, QUESTION

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_batch_is_judged(api):
    mails = [QUESTION | {"email_id": f"m{n}", "subject": f"S{n % 20}"} for n in range(50)]
    api.post(f"{PROCESS}-batch", {"emails": mails})

    jobs.drain()

    assert set(TriageResult.objects.values_list("status", flat=True)) == {Status.COMPLETED}
    assert TriageResult.objects.exclude(cached_from=None).count() == 30
