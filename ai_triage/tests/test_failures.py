"""What a provider's failure says can be read in the reader's language."""

from __future__ import annotations

import pytest
from django.utils import translation

from ai_triage import failures
from ai_triage.cases import LATE
from ai_triage.providers.retrying import failure_of
from ai_triage.verdicts import parse_verdict
from common.errors import ProviderError


def refusal_of(text: str) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        parse_verdict(text)
    return raised.value


@pytest.mark.parametrize(
    "failure",
    [
        LATE,
        failure_of(503),
        failure_of(413),
        failure_of(204),
        failure_of(403, said="permission_denied"),
        refusal_of("{"),
        refusal_of("{}"),
    ],
    ids=str,
)
def test_a_failure_begins_with_a_text_that_is_translated(failure):
    text = str(failure)

    assert any(text.startswith(known) for known in failures.SAID)
    with translation.override("en"):
        assert failures.in_words(text) == text


def test_the_longest_known_text_is_taken_and_what_is_unknown_stays(monkeypatch):
    monkeypatch.setattr("common.stored_texts.gettext", str.upper)

    assert failures.in_words("The provider refused: 403 forbidden.") == (
        "THE PROVIDER REFUSED: 403 forbidden."
    )
    assert (
        failures.in_words("The provider refused: the key or its account is not valid.")
        == "THE PROVIDER REFUSED: THE KEY OR ITS ACCOUNT IS NOT VALID."
    )
    assert failures.in_words("The provider answered 503.") == "THE PROVIDER ANSWERED 503."
    assert failures.in_words("The provider answered nicely.") == "The provider answered nicely."
