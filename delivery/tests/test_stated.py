"""What servers say of when to come back."""

from __future__ import annotations

import pytest

from delivery.stated import stated_wait, wait_in_transcript


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        # postgrey and sqlgrey, by their --greylist-text
        (
            "4.2.0 <a@b.test>: Recipient rejected: Greylisted for 300 seconds (see http://x)",
            300,
        ),
        ("4.2.0 Sender address rejected: Greylisted for 45 sec.", 45),
        ("4.7.1 Greylisted for 5 minutes", 300),
        ("Greylisted for 5 minutes. Try again later.", 300),
        # milter-greylist
        ("4.7.1 Greylisting in action, please come back in 00:05:00", 300),
        ("4.7.1 Greylisting in Action, Please Come Back in 01:02:03 [minutes]", 3723),
        # others
        ("4.2.0 Greylisted, please try again in 300 seconds", 300),
        ("4.7.1 Greylisted, try again in 900 seconds", 900),
        ("4.7.1 Try again in 15 minutes", 900),
        ("Please try again later in 1 hour", 3600),
        ("4.7.0 Too much mail, retry in 5 minutes", 300),
        ("retry in 5 Minutes.", 300),
        ("Please retry in 31.44s.", 31),
        ("Please retry after 2 min", 120),
        ("4.4.5 Server busy, please wait 60 seconds", 60),
        ("4.4.5 Please wait at least 2 minutes before you try again", 120),
        ("4.7.28 Try again after about an hour", 3600),
        ("Deferred for another 90 seconds", 90),
        ("Sending is blocked for 30 minutes", 1800),
        ("4.7.0 retry-after: 120", 120),
        ("Retry-After=120", 120),
        # within bounds
        ("try again in 1 second", 10),
        ("try again in 0 seconds", 10),
        ("try again in 999999999 hours", 4 * 3600),
        ("come back in 99:59:59", 4 * 3600),
    ],
)
def test_a_stated_wait_is_understood_and_kept_within_bounds(text, seconds):
    assert stated_wait(text).total_seconds() == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4.2.0 <a@b.test>: Greylisted, see http://postgrey.schweikert.ch/help/b.test.html",
        "4.7.1 Greylisting in action, please come back later",
        "4.7.1 Service unavailable - try again later",
        "4.2.2 Greylisted, please try again in a few moments.",
        "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
        "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to user complaints",
        "4.2.1 The user you are trying to contact is receiving mail at a rate that prevents",
        "4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)",
        "4.4.2 Message submission rate for this client has exceeded the configured limit",
        "Maximum sending rate exceeded: 14 messages in 1 second",
        "You sent too many mails from different domains in the last 10 minutes",
        f"try again in {10**30} seconds",
        f"try again in {'9' * 400} seconds",
        "try again in -300 seconds",
        "try again in ٣٠٠ seconds",
        "try again in ３００ seconds",
        "try again in ² minutes",
        "try again in 1e9 seconds",
        "try again in 0x10 seconds",
        "retry-after: 1" + "0" * 30,
        "try again in 5 mailboxes",
        "again " * 200 + "in " * 200,
    ],
)
def test_what_states_no_wait_or_no_sane_one_states_none(text):
    assert stated_wait(text) is None


def test_of_a_transcript_the_last_reply_counts():
    said = [
        ("S", "450 try again in 60 seconds"),
        ("C", "RSET"),
        ("S", "421 Bye, retry in 2 minutes"),
    ]

    assert wait_in_transcript(said).total_seconds() == 120
    assert wait_in_transcript([*said, ("C", "QUIT"), ("S", "221 bye")]) is None
    assert wait_in_transcript([]) is None
