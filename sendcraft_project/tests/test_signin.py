"""Signing in to the admin: one page, throttled, with a second factor where a person has one."""

from __future__ import annotations

import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from common import keyring
from sendcraft_project.celery import app

pytestmark = pytest.mark.django_db
PASSWORD = "a-password-of-the-test"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def staff(django_user_model):
    return django_user_model.objects.create_superuser("ana", "ana@example.com", PASSWORD)


def code_now(*, ago: int = 0) -> str:
    """What an authenticator shows, or showed ``ago`` seconds before."""
    return format_hotp_value(hotp_value(SECRET, int(time.time() - ago) // 30))


def sign_in(client: Client, name: str = "ana", password: str = PASSWORD, **kwargs):
    return client.post(
        "/admin/login/?next=/admin/logs/emaillog/",
        {"username": name, "password": password},
        **kwargs,
    )


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def test_name_and_password_lead_to_the_page_that_was_asked_for(client, staff):
    answer = sign_in(client)

    assert (answer.status_code, answer["Location"]) == (302, "/admin/logs/emaillog/")
    assert is_in(client)


def test_a_foreign_page_is_not_where_signing_in_leads(client, staff):
    answer = client.post(
        "/admin/login/?next=//evil.example/", {"username": "ana", "password": PASSWORD}
    )

    assert answer["Location"] == "/admin/"


@pytest.mark.parametrize("name", ["ana", "nobody"])
def test_a_wrong_password_and_an_unknown_name_are_told_the_same(client, staff, name):
    answer = sign_in(client, name, "wrong")

    assert answer.status_code == 200
    assert b"Please enter the correct username and password" in answer.content
    assert not is_in(client)


def test_who_is_not_staff_stays_out(client, django_user_model):
    django_user_model.objects.create_user("rui", "rui@example.com", PASSWORD)

    assert sign_in(client, "rui").status_code == 200
    assert not is_in(client)


def test_guessing_is_throttled_by_name_whatever_the_address_and_nobody_else_is_held_up(
    client, staff, django_user_model
):
    django_user_model.objects.create_superuser("rui", "rui@example.com", PASSWORD)
    for number in range(10):
        sign_in(Client(REMOTE_ADDR=f"192.0.2.{number}"), password="wrong")

    held = sign_in(Client(REMOTE_ADDR="192.0.2.99"))
    other = sign_in(Client(REMOTE_ADDR="192.0.2.99"), "rui")

    assert b"Too many failed login attempts" in held.content
    assert other.status_code == 302


def test_a_forwarded_address_is_no_way_round_the_throttle(client, staff):
    for number in range(30):
        sign_in(client, f"name{number}", "wrong", HTTP_X_FORWARDED_FOR=f"192.0.2.{number}")

    held = sign_in(client, HTTP_X_FORWARDED_FOR="192.0.2.99")

    assert b"Too many failed login attempts" in held.content


def test_with_a_second_factor_the_password_alone_opens_nothing(client, staff):
    TOTP.activate(staff, SECRET)

    answer = sign_in(client)

    assert (answer.status_code, answer["Location"]) == (302, "/admin/second-factor/authenticate/")
    assert not is_in(client)
    assert client.post(answer["Location"], {"code": "000000"}).status_code == 200
    assert not is_in(client)
    done = client.post(answer["Location"], {"code": code_now()})
    assert done["Location"] == "/admin/logs/emaillog/"
    assert is_in(client)


@pytest.mark.parametrize(("ago", "opens"), [(30, True), (90, False)])
def test_a_code_that_has_just_ended_still_opens(client, staff, ago, opens, monkeypatch):
    TOTP.activate(staff, SECRET)
    sign_in(client)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)  # no code ends between being shown and looked at

    client.post("/admin/second-factor/authenticate/", {"code": code_now(ago=ago)})

    assert is_in(client) is opens


def test_a_recovery_code_opens_once(client, staff):
    TOTP.activate(staff, SECRET)
    code = RecoveryCodes.activate(staff).get_unused_codes()[0]

    for expected in (True, False):
        fresh = Client()
        sign_in(fresh)
        fresh.post("/admin/second-factor/authenticate/", {"code": code})
        assert is_in(fresh) is expected


def test_who_lost_device_and_codes_gets_in_by_password_after_a_superuser_removed_the_factor(
    client, staff
):
    TOTP.activate(staff, SECRET)
    RecoveryCodes.activate(staff)
    boss = User.objects.create_superuser("boss")
    theirs = Client()
    theirs.force_login(boss)

    chosen = {"action": "remove_second_factor", "_selected_action": [staff.pk]}
    told = theirs.post("/admin/auth/user/", chosen, follow=True)
    sign_in(client)

    assert "1 user signs in by password alone now." in told.content.decode()
    assert is_in(client)
    removed = LogEntry.objects.filter(action=LogEntry.Action.DELETE, actor=boss)
    assert {entry.changes["type"][0] for entry in removed} == {"totp", "recovery_codes"}
    assert SECRET not in str([entry.changes for entry in LogEntry.objects.all()])


def test_what_an_authenticator_shares_with_us_is_kept_encrypted(staff):
    TOTP.activate(staff, SECRET)

    stored = Authenticator.objects.get(user=staff).data["secret"]
    assert SECRET not in stored
    assert not keyring.needs_rotation(stored)


def test_a_person_sets_up_the_second_factor_after_giving_the_password_again(client, staff):
    sign_in(client)
    asked = client.get("/admin/second-factor/totp/activate/")
    confirmed = client.post(asked["Location"], {"password": PASSWORD})
    page = client.get(confirmed["Location"])
    secret = client.session["mfa.totp.secret"]
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))

    answer = client.post("/admin/second-factor/totp/activate/", {"code": code})

    assert b"SendCraft" in page.content
    assert answer.status_code == 302
    assert {row.type for row in Authenticator.objects.filter(user=staff)} == {
        "totp",
        "recovery_codes",
    }


@pytest.mark.parametrize(
    "path",
    ["", "totp/activate/", "totp/deactivate/", "recovery-codes/", "recovery-codes/generate/"],
)
def test_the_pages_of_the_second_factor_are_for_who_is_in(client, path):
    answer = client.get(f"/admin/second-factor/{path}")

    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


def test_a_new_password_ends_all_other_sessions(client, staff):
    other = Client()
    sign_in(other)
    sign_in(client)
    new = {"old_password": PASSWORD, "new_password1": "quite-another-1"}

    answer = client.post("/admin/password_change/", new | {"new_password2": new["new_password1"]})

    assert answer.status_code == 302
    assert is_in(client)
    assert not is_in(other)


def ask_for_a_link(client: Client, address: str, capture):
    with capture(execute=True):
        return client.post("/admin/password-reset/", {"email": address})


@pytest.fixture
def _worker(monkeypatch):
    """A worker that takes each task at once."""
    monkeypatch.setitem(app.conf, "task_always_eager", True)


@pytest.mark.usefixtures("_worker")
def test_a_link_by_mail_sets_a_new_password_once(client, staff, django_capture_on_commit_callbacks):
    asked = ask_for_a_link(client, "Ana@example.com", django_capture_on_commit_callbacks)
    (letter,) = mail.outbox
    path = "/admin/" + letter.body.partition("/admin/")[2].split()[0]
    form = client.get(path, follow=True)
    new = {"new_password1": "quite-another-1", "new_password2": "quite-another-1"}
    done = client.post(form.redirect_chain[-1][0], new)
    again = client.get(path, follow=True)

    assert asked["Location"] == done["Location"].replace("/done/", "/sent/")
    assert letter.to == ["ana@example.com"]
    assert b"was used already" in again.content
    assert sign_in(client, password="quite-another-1").status_code == 302


@pytest.mark.usefixtures("_worker")
def test_an_unknown_address_gets_the_same_answer_and_no_mail(
    client, staff, django_capture_on_commit_callbacks
):
    known = ask_for_a_link(client, "ana@example.com", django_capture_on_commit_callbacks)
    unknown = ask_for_a_link(client, "x@example.com", django_capture_on_commit_callbacks)

    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("_worker")
def test_an_address_gets_three_links_at_the_most(client, staff, django_capture_on_commit_callbacks):
    for _ in range(5):
        ask_for_a_link(client, "ana@example.com", django_capture_on_commit_callbacks)

    assert len(mail.outbox) == 3


def test_the_sign_in_page_leads_to_the_reset(client):
    assert b'href="/admin/password-reset/"' in client.get("/admin/login/").content
