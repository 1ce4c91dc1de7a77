"""How long ago something was, for lists."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from common.templatetags.ages import age


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        (timedelta(seconds=5), "0\xa0minutes"),
        (timedelta(hours=3, minutes=25), "3\xa0hours"),
        (timedelta(days=9), "1\xa0week"),
    ],
)
def test_an_age_is_its_largest_unit_alone(since, shown):
    assert age(timezone.now() - since) == shown
