"""A model's answer becomes a verdict only when every part of it is right."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_triage.errors import BadAnswer
from ai_triage.kinds import Decision, EmailType, Tone, Urgency
from ai_triage.providers.base import SuggestedResponse, Verdict
from ai_triage.verdicts import (
    MAX_ANSWER,
    MAX_BODY,
    MAX_REASON,
    answer_schema,
    is_plain,
    parse_verdict,
)

DRAFT = {
    "subject": "Re: Fatura",
    "body": "Olá,\n\nObrigado.",
    "tone": "friendly",
    "language": "pt-BR",
}
GOOD = {
    "decision": "respond",
    "confidence": 0.92,
    "email_type": "question",
    "urgency": "medium",
    "reason": "Cliente pergunta sobre a fatura",
    "suggested_response": DRAFT,
}
IGNORED = {**GOOD, "decision": "ignore", "email_type": "spam", "suggested_response": None}


def reason_of(text):
    with pytest.raises(BadAnswer) as caught:
        parse_verdict(text)
    assert caught.value.code == "provider_bad_answer"
    return caught.value.reason


def with_draft(**changes):
    return json.dumps({**GOOD, "suggested_response": {**DRAFT, **changes}})


def test_a_right_answer_becomes_a_verdict():
    assert parse_verdict(json.dumps(GOOD)) == Verdict(
        decision=Decision.RESPOND,
        confidence=0.92,
        email_type=EmailType.QUESTION,
        urgency=Urgency.MEDIUM,
        reason="Cliente pergunta sobre a fatura",
        suggested_response=SuggestedResponse(
            "Re: Fatura", "Olá,\n\nObrigado.", Tone.FRIENDLY, "pt-BR"
        ),
    )


def test_an_ignored_mail_has_no_draft():
    assert parse_verdict(json.dumps(IGNORED)).suggested_response is None


@pytest.mark.parametrize("confidence", [0, 1, 0.0, 1.0, 0.5])
def test_the_ends_of_the_range_are_confidences(confidence):
    assert parse_verdict(json.dumps({**GOOD, "confidence": confidence})).confidence == confidence


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"decision": "reply"}, "not_in_list"),
        ({"decision": "Respond"}, "not_in_list"),
        ({"decision": None}, "wrong_type"),
        ({"decision": ["respond"]}, "wrong_type"),
        ({"email_type": "urgent"}, "not_in_list"),
        ({"email_type": ""}, "not_in_list"),
        ({"urgency": "critical"}, "not_in_list"),
        ({"urgency": 1}, "wrong_type"),
        ({"confidence": 1.01}, "out_of_range"),
        ({"confidence": -0.01}, "out_of_range"),
        ({"confidence": 92}, "out_of_range"),
        ({"confidence": "0.9"}, "wrong_type"),
        ({"confidence": True}, "wrong_type"),
        ({"confidence": None}, "wrong_type"),
        ({"reason": ""}, "wrong_length"),
        ({"reason": "  "}, "wrong_length"),
        ({"reason": "x" * (MAX_REASON + 1)}, "wrong_length"),
        ({"reason": "two\nlines"}, "control_character"),
        ({"reason": "bell\x07"}, "control_character"),
        ({"reason": "\u202egnp.exe"}, "control_character"),
        ({"reason": "zero\u200bwidth"}, "control_character"),
        ({"reason": "tag\U000e0041"}, "control_character"),
        ({"reason": "half \ud800"}, "control_character"),
        ({"suggested_response": None}, "contradiction"),
        ({"decision": "ignore"}, "contradiction"),
        ({"suggested_response": "Thanks"}, "wrong_type"),
        ({"suggested_response": []}, "wrong_type"),
        ({"suggested_response": {}}, "wrong_keys"),
        ({"to": "evil@example.net"}, "wrong_keys"),
        ({"tool": {"name": "send"}}, "wrong_keys"),
    ],
)
def test_one_wrong_part_is_a_bad_answer_with_its_reason(change, reason):
    assert reason_of(json.dumps({**GOOD, **change})) == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"subject": "Re: a\r\nBcc: evil@example.net"}, "control_character"),
        ({"subject": "Re: a\u2028b"}, "control_character"),
        ({"subject": ""}, "wrong_length"),
        ({"subject": "x" * 251}, "wrong_length"),
        ({"body": ""}, "wrong_length"),
        ({"body": "x" * (MAX_BODY + 1)}, "wrong_length"),
        ({"body": "a\x00b"}, "control_character"),
        ({"body": "a\rb"}, "control_character"),
        ({"tone": "angry"}, "not_in_list"),
        ({"language": "Portuguese"}, "wrong_length"),
        ({"language": "pt_BR"}, "not_in_list"),
        ({"language": None}, "wrong_type"),
        ({"cc": "evil@example.net"}, "wrong_keys"),
    ],
)
def test_a_wrong_draft_is_a_bad_answer(change, reason):
    assert reason_of(with_draft(**change)) == reason


def test_line_ends_of_a_draft_become_line_feeds():
    assert parse_verdict(with_draft(body="a\r\nb\r\n")).suggested_response.body == "a\nb\n"


def test_emoji_made_of_several_characters_pass():
    body = "Obrigado \U0001f468\u200d\U0001f4bb\ufe0f"
    assert parse_verdict(with_draft(body=body)).suggested_response.body == body


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("x" * (MAX_ANSWER + 1), "too_long"),
        ("respond", "not_json"),
        ("```json\n" + json.dumps(GOOD) + "\n```", "not_json"),
        ("Here it is: " + json.dumps(GOOD), "not_json"),
        (json.dumps(GOOD) + json.dumps(GOOD), "not_json"),
        (json.dumps(GOOD).replace("0.92", "NaN"), "not_json"),
        (json.dumps(GOOD).replace("0.92", "1e999"), "out_of_range"),
        (json.dumps(GOOD).replace("0.92", "1" * 5000), "not_json"),
        ('{"decision": "ignore", ' + json.dumps(GOOD)[1:], "not_json"),
        ("[" * 50_000, "not_json"),
        ("{}", "wrong_keys"),
        ("[]", "wrong_type"),
        ("null", "wrong_type"),
        ('"respond"', "wrong_type"),
        (json.dumps([GOOD]), "wrong_type"),
    ],
)
def test_what_is_no_single_json_object_is_a_bad_answer(text, reason):
    assert reason_of(text) == reason


@pytest.mark.parametrize("length", range(1, len(json.dumps(GOOD)), 7))
def test_a_truncated_answer_is_never_completed(length):
    assert reason_of(json.dumps(GOOD)[:length]) == "not_json"


@pytest.mark.parametrize("key", list(GOOD))
def test_no_key_may_be_missing(key):
    assert reason_of(json.dumps({k: v for k, v in GOOD.items() if k != key})) == "wrong_keys"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.text())
def test_any_text_is_a_verdict_or_a_bad_answer(text):
    with pytest.raises(BadAnswer):
        parse_verdict(text)


@given(st.sampled_from(list(GOOD)), json_values)
def test_any_value_in_any_place_is_a_verdict_or_a_bad_answer(key, value):
    try:
        verdict = parse_verdict(json.dumps({**GOOD, key: value}))
    except BadAnswer:
        return
    assert 0 <= verdict.confidence <= 1
    assert is_plain(verdict.reason, lines=False)
    assert (verdict.suggested_response is None) == (verdict.decision == "ignore")


@given(st.sampled_from(list(DRAFT)), json_values)
def test_any_value_in_a_draft_is_a_verdict_or_a_bad_answer(key, value):
    try:
        draft = parse_verdict(with_draft(**{key: value})).suggested_response
    except BadAnswer:
        return
    assert is_plain(draft.subject, lines=False)
    assert "\r" not in draft.body


def test_the_schema_names_every_key_that_is_read():
    schema = answer_schema()

    assert set(schema["required"]) == set(schema["properties"]) == set(GOOD)
    assert set(schema["properties"]["suggested_response"]["required"]) == set(DRAFT)
