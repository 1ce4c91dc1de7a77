"""How long ago something was, for lists."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.translation import override

from common.templatetags.ages import age


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        (timedelta(seconds=-5), "less than a minute"),
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(seconds=61), "1\xa0minute"),
        (timedelta(hours=3, minutes=25), "3\xa0hours"),
        (timedelta(days=9), "1\xa0week"),
    ],
)
def test_an_age_is_its_largest_unit_alone(since, shown):
    with override("en"):
        assert age(timezone.now() - since) == shown


def test_more_units_are_told_where_there_is_room():
    since = timezone.now() - timedelta(hours=3, minutes=25, seconds=5)

    with override("en"):
        assert age(since, 2) == "3\xa0hours, 25\xa0minutes"
        assert age(timezone.now(), 2) == "less than a minute"
