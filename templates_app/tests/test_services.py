"""Templates change in numbered versions that never get lost."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection

from accounts.models import EmailAccount
from common.errors import Conflict, Refused
from logs.models import EmailContent
from templates_app import services
from templates_app.models import EmailTemplate
from templates_app.services import Author
from tests.factories import make_account, make_domain

ANA = Author(user=None, name="ana")
RUI = Author(user=None, name="rui")
FIELDS = {"name": "Order", "subject": "Order {{ number }}", "html_content": "<p>{{ name }}</p>"}


@pytest.fixture
def made(tenant) -> EmailTemplate:
    return services.create_template(tenant=tenant, author=ANA, fields={**FIELDS, "slug": "order"})


def create(tenant, **fields) -> EmailTemplate:
    return services.create_template(tenant=tenant, author=ANA, fields={**FIELDS, **fields})


def numbers(template) -> list[int]:
    return list(template.versions.order_by("number").values_list("number", flat=True))


# Creating


def test_a_new_template_has_one_version_with_its_author(tenant):
    user = User.objects.create_user("ana")

    template = services.create_template(tenant=tenant, author=Author.of_user(user), fields=FIELDS)

    version = template.current
    assert (template.version, version.number) == (1, 1)
    assert (version.author, version.author_name) == (user, "ana")
    assert template.variables == ["number", "name"]


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Order confirmation", "order-confirmation"),
        ("Confirmação à mão", "confirmacao-a-mao"),
        ("2024", "template-2024"),
        ("注文", "template"),
        ("x" * 200, "x" * 80),
    ],
)
def test_the_slug_is_made_from_the_name(tenant, name, slug):
    assert create(tenant, name=name).slug == slug


@pytest.mark.parametrize("slug", ["order", "ORDER"])
def test_a_slug_is_taken_once_per_tenant(tenant, other_tenant, made, slug):
    with pytest.raises(Refused) as refused:
        create(tenant, slug=slug)

    assert (refused.value.code, refused.value.attr) == ("unique", "slug")
    assert create(other_tenant, slug=slug).slug == slug


def test_a_template_needs_html_or_text(tenant):
    with pytest.raises(Refused) as refused:
        create(tenant, html_content=" ", text_content="")

    assert (refused.value.code, refused.value.attr) == ("required", "html_content")
    assert create(tenant, html_content="", text_content="Hello").current.compiled_text == "Hello"


def test_an_error_names_its_field_and_line_and_nothing_is_stored(tenant):
    with pytest.raises(Refused) as refused:
        create(tenant, html_content="<p>\n{% include 'x' %}</p>")

    assert (refused.value.code, refused.value.attr) == ("template_error", "html_content")
    assert str(refused.value).startswith("line 2: ")
    assert not EmailTemplate.objects.exists()


def test_a_subject_with_a_filter_renders(tenant):
    template = create(tenant, subject="Total {{ total|money }}", html_content="<p>x</p>")

    shown = services.preview(template.current, variables={"total": "5"}, language="en")

    assert "5.00" in shown.subject
    assert template.current.subject == "Total {{ total|money }}"


@pytest.mark.parametrize("by", ["address", "number", "row"])
def test_the_default_account_is_one_of_the_tenant(tenant, account, by):
    reference = {"address": account.email_address, "number": account.pk, "row": account}[by]

    assert create(tenant, default_account=reference).default_account == account


@pytest.mark.parametrize("by", ["address", "number", "row"])
def test_another_tenants_account_is_not_found(tenant, other_tenant, by):
    foreign: EmailAccount = make_account(make_domain(other_tenant))
    reference = {"address": foreign.email_address, "number": foreign.pk, "row": foreign}[by]

    with pytest.raises(Refused) as refused:
        create(tenant, default_account=reference)

    assert (refused.value.code, refused.value.attr) == ("not_found", "default_account")


# Changing


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "New"},
        {"html_content": "<b>{{ other }}</b>"},
        {"text_content": "New"},
        {
            "source_format": "mjml",
            "html_content": "<mjml><mj-body></mj-body></mjml>",
        },
    ],
)
def test_a_change_of_what_is_sent_makes_a_version(made, changes):
    changed = services.update_template(made, author=RUI, changes=changes)

    version = changed.current
    assert (changed.version, numbers(changed)) == (2, [1, 2])
    assert version.author_name == "rui"
    for name, value in changes.items():
        assert (getattr(changed, name), getattr(version, name)) == (value, value)
    assert changed.variables == version.variables


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "New"},
        {"slug": "new"},
        {"template_type": "newsletter"},
        {"is_active": False},
        {"track_opens": False},
        {"subject": FIELDS["subject"], "html_content": FIELDS["html_content"]},
    ],
)
def test_other_changes_and_the_same_content_make_none(made, changes):
    changed = services.update_template(made, author=RUI, changes=changes)

    assert numbers(changed) == [1]
    for name, value in changes.items():
        assert getattr(changed, name) == value


def test_the_slower_of_two_editors_is_told_and_no_version_is_lost(made):
    stale = EmailTemplate.objects.get(pk=made.pk)
    services.update_template(made, author=ANA, changes={"subject": "First"})

    with pytest.raises(Conflict):
        services.update_template(stale, author=RUI, changes={"subject": "Second"})

    assert list(made.versions.order_by("number").values_list("subject", flat=True)) == [
        FIELDS["subject"],
        "First",
    ]


@pytest.mark.django_db(transaction=True)
def test_versions_made_at_once_are_consecutive_or_refused(tenant):
    template = create(tenant)
    barrier = threading.Barrier(4)
    done: list[str] = []

    def edit(word: str) -> None:
        mine = EmailTemplate.objects.get(pk=template.pk)
        barrier.wait(timeout=20)
        try:
            services.update_template(mine, author=ANA, changes={"subject": word})
            done.append(word)
        except Conflict:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=edit, args=(word,)) for word in ("a", "b", "c", "d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    template.refresh_from_db()
    assert len(done) >= 1
    assert numbers(template) == list(range(1, len(done) + 2))
    assert template.version == len(done) + 1
    stored = set(template.versions.values_list("subject", flat=True)) - {FIELDS["subject"]}
    assert stored == set(done)
    assert template.current.subject == template.subject


def test_a_deleted_template_is_a_conflict(made):
    gone = EmailTemplate.objects.get(pk=made.pk)
    services.delete_template(made)

    with pytest.raises(Conflict):
        services.update_template(gone, author=ANA, changes={"name": "x"})


def test_two_versions_can_not_have_one_number(made):
    version = made.current
    version.pk = None

    with pytest.raises(IntegrityError):
        version.save(force_insert=True)


# Restoring and deleting


def test_restoring_makes_a_new_version_with_the_old_content(made):
    changed = services.update_template(
        made, author=ANA, changes={"subject": "New", "text_content": "Other", "name": "Renamed"}
    )

    restored = services.restore_version(changed.versions.get(number=1), author=RUI)

    assert numbers(restored) == [1, 2, 3]
    assert restored.current.author_name == "rui"
    assert (restored.subject, restored.text_content) == (FIELDS["subject"], "")
    assert restored.name == "Renamed"
    assert restored.current.compiled == changed.versions.get(number=1).compiled


def test_restoring_the_current_version_changes_nothing(made):
    restored = services.restore_version(made.current, author=RUI)

    assert numbers(restored) == [1]


def test_a_template_with_messages_stays(made):
    old = made.current
    services.update_template(made, author=ANA, changes={"subject": "New"})
    EmailContent.objects.create(tenant=made.tenant, template_version=old)

    with pytest.raises(Conflict) as conflict:
        services.delete_template(made)

    assert conflict.value.code == "in_use"
    assert EmailTemplate.objects.filter(pk=made.pk).exists()


def test_a_message_that_comes_after_the_look_keeps_it_too(made):
    version = made.current

    def a_message_comes(execute, sql, params, many, context):
        if sql.startswith("SAVEPOINT") and not EmailContent.objects.exists():
            EmailContent.objects.create(tenant=made.tenant, template_version=version)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(a_message_comes), pytest.raises(Conflict):
        services.delete_template(made)

    assert EmailTemplate.objects.filter(pk=made.pk).exists()


def test_an_unused_template_goes_with_its_versions(made):
    services.delete_template(made)

    assert not EmailTemplate.objects.exists()


# Previews


def test_missing_variables_are_listed_and_print_nothing(made):
    shown = services.preview(made.current, variables={"number": 7}, language="en")

    assert shown.subject == "Order 7"
    assert shown.html.strip() == "<p></p>"
    assert shown.missing_variables == ["name"]


def test_a_preview_has_a_link_to_unsubscribe_unless_one_is_given(tenant):
    version = create(tenant, html_content="<a href='{{ unsubscribe_url }}'>x</a>").current

    ours = services.preview(version, variables={"number": 1}, language="en")
    theirs = services.preview(
        version, variables={"number": 1, "unsubscribe_url": "https://me.test/"}, language="en"
    )

    assert "/u/preview" in ours.html
    assert "https://me.test/" in theirs.html
    assert ours.missing_variables == []
