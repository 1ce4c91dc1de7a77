"""One message written and sent by hand in the admin."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.html import strip_tags
from lxml import html

from accounts.models import EmailAccount
from delivery.composing import FILES, emptied
from delivery.models import Suppression
from logs.models import EmailLog
from tenants.models import Role
from tests.factories import make_account, make_domain, make_template
from tests.staff import staff

URL = "/admin/delivery/sendbatch/compose/"
OWN = {"to_address": "Ana <ana@example.com>", "subject": "Hi", "text": "Hello\r\nAna", "html": ""}


@pytest.fixture
def editor(tenant):
    return staff(tenant, Role.EDITOR)


def send(client, fields, *, query="", once="1", **more):
    return client.post(URL + query, {"once": once, **fields, **more})


def errors(response, field: str | None) -> list[str]:
    return response.context["form"].errors.get(field or "__all__", [])


def test_a_message_goes_out_and_its_page_opens(editor, tenant, account):
    response = send(editor, OWN | {"account": account.pk})

    email = EmailLog.objects.get()
    assert response.status_code == 302
    assert response["Location"] == f"/admin/logs/emaillog/{email.pk}/change/"
    assert (email.tenant, email.account, email.mode) == (tenant, account, "live")
    assert (email.to_address, email.to_name) == ("ana@example.com", "Ana")
    assert (email.subject, email.content.text) == ("Hi", "Hello\nAna")
    assert email.metadata == {"sent_by": "editor-shop"}


def test_a_template_asks_for_its_variables_one_by_one(editor, tenant, account):
    template = make_template(
        tenant,
        subject="Order {{ number }}",
        html="{{ total|money }}{{ note|default('') }}"
        "{% for p in products %}<b>{{ p.name }}</b>{% endfor %}",
        default_account=account,
    )
    page = editor.get(f"{URL}?template={template.pk}").content.decode()
    assert 'name="var_number"' in page
    assert 'name="subject"' not in page

    response = send(
        editor,
        {
            "to_address": "ana@example.com",
            "var_number": "A-1",
            "var_total": "49.90",
            "var_products": '[{"name": "Drill"}]',
            "var_note": "",
        },
        query=f"?template={template.pk}",
    )

    assert response.status_code == 302, errors(response, None)
    email = EmailLog.objects.get()
    assert (email.subject, email.template) == ("Order A-1", template)
    assert email.content.variables == {
        "number": "A-1",
        "total": 49.9,
        "products": [{"name": "Drill"}],
    }


def test_what_a_list_must_look_like_is_filled_in_without_its_values(editor, tenant):
    template = make_template(tenant, html="{% for p in products %}{{ p.name }}{% endfor %}")
    template.sample_data = {"products": [{"name": "Drill"}, {"name": "Saw"}]}
    template.save()

    page = editor.get(f"{URL}?template={template.pk}").content.decode()

    assert "Drill" not in page
    assert emptied(template.sample_data) == {"products": [{"name": ""}]}


@pytest.mark.parametrize(
    ("fields", "field", "why"),
    [
        ({"to_address": "no address"}, "to_address", "address"),
        ({"to_address": ""}, "to_address", "required"),
        ({"to_address": "gone@example.com"}, "to_address", "suppressed"),
        ({"subject": ""}, "subject", "needed"),
        ({"text": ""}, "html", "needed"),
        ({"account": "987654"}, "account", "valid choice"),
    ],
)
def test_a_refusal_stands_at_its_field_and_keeps_what_was_written(
    editor, tenant, account, fields, field, why
):
    Suppression.objects.create(tenant=tenant, address="gone@example.com", reason="manual")

    response = send(editor, OWN | {"account": account.pk} | fields)

    assert response.status_code == 200
    assert why in " ".join(errors(response, field))
    assert 'value="1"' in response.content.decode()
    assert EmailLog.objects.count() == 0


def test_without_an_account_or_a_default_the_account_is_asked_for(editor, account):
    assert "default" in errors(send(editor, OWN), "account")[0]


def test_a_missing_variable_is_told_at_its_field(editor, tenant, account):
    template = make_template(tenant, html="{% for p in products %}{{ p.name }}{% endfor %}")
    fields = {"to_address": "ana@example.com", "account": account.pk, "var_number": "1"}

    def told(products: str) -> list[str]:
        response = send(
            editor, fields | {"var_products": products}, query=f"?template={template.pk}"
        )
        return errors(response, "var_products")

    assert told('[{"price": 1}]') == ["The template needs products.0.name."]
    assert told('[{"name": ""}]') == ["Fill this in."]
    assert EmailLog.objects.count() == 0


@pytest.mark.parametrize(
    ("products", "refusal"),
    [
        ("[NaN]", "This is no JSON."),
        ('[{"name": "\\ud83d"}]', "Half of a surrogate pair is no character."),
    ],
)
def test_what_is_no_json_is_told_at_its_field(editor, tenant, account, products, refusal):
    template = make_template(tenant, html="{% for p in products %}{{ p.name }}{% endfor %}")

    response = send(
        editor,
        {"to_address": "ana@example.com", "account": account.pk, "var_products": products},
        query=f"?template={template.pk}",
    )

    assert errors(response, "var_products") == [refusal]


def test_pressed_twice_the_button_sends_once_but_another_text_is_sent(editor, account):
    fields = OWN | {"account": account.pk}

    places = {send(editor, fields)["Location"] for _ in range(2)}
    send(editor, fields | {"text": "Something else"})

    assert len(places) == 1
    assert EmailLog.objects.count() == 2


def test_the_same_text_is_sent_again_from_a_new_page(editor, account):
    for once in ("1", "2"):
        send(editor, OWN | {"account": account.pk}, once=once)

    assert EmailLog.objects.count() == 2


# Copies and files


def file(name="offer.pdf", content=b"%PDF", content_type="application/pdf"):
    return SimpleUploadedFile(name, content, content_type=content_type)


def test_copies_a_reply_address_and_files_go_as_the_api_takes_them(editor, account):
    copies = {
        "cc": 'rui@example.com; "Silva, Eva" <eva@example.com>',
        "bcc": "boss@example.com",
        "reply_to": "Sales <sales@example.com>",
    }
    files = [file(), file("a/b/notes.txt", b"", "text/plain")]

    response = send(editor, OWN | copies | {"account": account.pk, "attachments": files})

    assert response.status_code == 302, response.context["form"].errors
    email = EmailLog.objects.get()
    assert email.cc_addresses == ["rui@example.com", "eva@example.com"]
    assert email.cc_names == {"eva@example.com": "Silva, Eva"}
    assert email.bcc_addresses == ["boss@example.com"]
    assert email.content.reply_to == [{"address": "sales@example.com", "name": "Sales"}]
    kept = email.content.attachments.order_by("pk")
    assert [(one.filename, one.content_type, one.size_bytes) for one in kept] == [
        ("offer.pdf", "application/pdf", 4),
        ("notes.txt", "text/plain", 0),
    ]


@pytest.mark.parametrize(
    ("fields", "field", "why"),
    [
        ({"cc": "rui@example.com, nobody"}, "cc", "nobody: "),
        ({"bcc": "gone@example.com"}, "bcc", "gone@example.com: This address is suppressed"),
        ({"cc": "ana@example.com"}, "cc", "ana@example.com: This address is a recipient already."),
        ({"reply_to": "x"}, "reply_to", "x: "),
        ({"cc": ",".join(f"{n}@example.com" for n in range(51))}, "cc", "At most 50"),
    ],
)
def test_a_refused_copy_is_named_at_its_field(editor, tenant, account, fields, field, why):
    Suppression.objects.create(tenant=tenant, address="gone@example.com", reason="manual")

    response = send(editor, OWN | {"account": account.pk} | fields)

    assert why in errors(response, field)[0]
    assert '<details class="compose-copies" open>' in response.content.decode()
    assert EmailLog.objects.count() == 0


def test_a_refused_file_is_named(editor, account):
    files = [file(), file("odd.pdf", content_type="pdf")]

    told = errors(send(editor, OWN | {"account": account.pk, "attachments": files}), FILES)

    assert told[0] == "odd.pdf: A content type looks like type/subtype."
    assert EmailLog.objects.count() == 0


def test_files_over_the_limit_are_refused_unread(editor, account, settings):
    settings.MESSAGE_LIMIT_BYTES = 100 * 1024
    large = file(content=b"x" * (101 * 1024))

    told = errors(send(editor, OWN | {"account": account.pk, "attachments": [large]}), FILES)

    assert "would be larger" in told[0]
    assert EmailLog.objects.count() == 0


@pytest.mark.parametrize("more", [{"to_address": "no address"}, {"preview": "1"}])
def test_files_of_a_page_that_comes_back_are_asked_for_again(editor, account, more):
    fields = OWN | {"account": account.pk}
    back = send(editor, fields | {"attachments": [file()]} | more)
    assert "Please choose again: offer.pdf" in errors(back, FILES)
    assert '<input type="hidden" name="lost" value="offer.pdf">' in back.content.decode()

    forgotten = send(editor, fields | {"lost": ["offer.pdf"]})
    assert errors(forgotten, FILES) == ["Please choose again: offer.pdf"]
    assert EmailLog.objects.count() == 0
    chosen = send(editor, fields | {"lost": ["offer.pdf"], "attachments": [file()]})
    without = send(editor, fields | {"lost": ["offer.pdf"], "without_files": "on"}, once="2")

    assert (chosen.status_code, without.status_code) == (302, 302)
    counts = [email.content.attachments.count() for email in EmailLog.objects.order_by("pk")]
    assert counts == [1, 0]


def test_leaving_files_out_is_said_of_those_alone_and_not_of_the_next(editor, account):
    fields = OWN | {"account": account.pk, "preview": "1"}
    others = {"lost": ["offer.pdf"], "without_files": "on", "attachments": [file("terms.pdf")]}

    back = send(editor, fields | others)

    assert "Please choose again: terms.pdf" in errors(back, FILES)
    page = back.content.decode()
    assert 'name="without_files"' in page
    assert not re.search(r'<input[^>]*name="without_files"[^>]* checked[ >]', page)
    assert 'name="lost" value="terms.pdf"' in page


def test_a_page_that_comes_back_with_files_has_what_was_typed(editor, account):
    typed = OWN | {"account": account.pk, "to_address": "Zé <ze@example.com>", "preview": "1"}

    back = send(editor, typed | {"attachments": [file()]})

    form = back.context["form"]
    assert {name: form[name].value() for name in typed if name in form.fields} == {
        name: str(value) for name, value in typed.items() if name in form.fields
    }
    assert 'value="Zé &lt;ze@example.com&gt;"' in back.content.decode()


def test_pressed_twice_with_the_same_files_it_sends_once_with_others_again(editor, account):
    for content in (b"one", b"one", b"two"):
        send(editor, OWN | {"account": account.pk, "attachments": [file(content=content)]})

    assert EmailLog.objects.count() == 2


# The choice

COPIED = {"cc": "boss@example.com", "reply_to": "help@shop.test"}


def entered(page: str) -> dict[str, str]:
    """What the form would send, by name, as a browser reads it from the page."""
    form = html.fragment_fromstring(page, create_parent=True).xpath("//div[@class='compose']//form")
    return dict(form[0].form_values())


def action_of(page: str) -> str:
    return unescape(re.search(r'enctype="multipart/form-data" action="([^"]*)"', page)[1])


def test_choosing_a_template_keeps_what_was_entered(editor, template, account):
    fields = OWN | COPIED | {"account": str(account.pk)}

    page = send(editor, fields | {"template": template.pk, "choose": "1"}).content.decode()

    kept = entered(page)
    assert kept.items() >= (COPIED | {"to_address": fields["to_address"]}).items()
    assert (kept["account"], kept["template"]) == (str(account.pk), str(template.pk))
    assert EmailLog.objects.count() == 0

    response = send(editor, kept | {"var_name": "Ana", "var_number": "A-1"}, query=action_of(page))

    assert response.status_code == 302, errors(response, None)
    email = EmailLog.objects.get()
    assert (email.template, email.to_address) == (template, "ana@example.com")
    assert email.cc_addresses == ["boss@example.com"]


def test_ones_own_text_and_a_templates_variables_wait_until_they_are_asked_for_again(
    editor, template
):
    chosen = {"template": template.pk, "choose": "1"}
    page = send(editor, OWN | {"var_number": "A-1"} | chosen).content.decode()
    assert 'name="text" value="Hello' in page
    own = entered(page) | {"template": "", "choose": "1"}

    page = send(editor, own, query=action_of(page)).content.decode()

    kept = entered(page)
    assert (kept["subject"], kept["text"].split()) == ("Hi", ["Hello", "Ana"])
    assert kept["var_number"] == "A-1"


@pytest.mark.parametrize("pressed", ["send", "preview"])
def test_a_template_that_is_only_picked_is_asked_about_before_anything_goes(
    editor, template, account, pressed
):
    fields = OWN | {"account": account.pk, "template": template.pk, pressed: "1"}

    page = send(editor, fields).content.decode()

    assert EmailLog.objects.count() == 0
    assert "Another template or tenant was chosen" in page
    assert 'name="var_number"' in page


def test_files_are_asked_for_again_after_a_choice(editor, template, account):
    file = SimpleUploadedFile("a.txt", b"x")
    fields = OWN | {"account": account.pk, "template": template.pk, "choose": "1", FILES: file}

    page = send(editor, fields | {"without_files": "on"}).content.decode()

    assert "Please choose again: a.txt" in page
    assert "without_files" not in entered(page)
    assert entered(page)["lost"] == "a.txt"


def test_enter_in_a_field_presses_send(editor):
    page = editor.get(URL).content.decode()

    buttons = re.findall(r'<button[^>]*type="submit"[^>]*name="(send|choose|preview)"', page)
    assert buttons[0] == "send"


# The preview


def test_the_preview_shows_the_mail_in_a_sandboxed_frame_and_sends_nothing(
    editor, template, account
):
    response = send(
        editor,
        {"var_name": "<b>Ana</b>", "preview": "1"},
        query=f"?template={template.pk}",
    )

    page = response.content.decode()
    assert '<iframe sandbox=""' in page
    assert "Still missing: number" in page
    assert re.search(r'<input[^>]*name="var_number"[^>]* required', page)
    assert "&lt;p&gt;Hello &amp;lt;b&amp;gt;Ana" in page
    assert EmailLog.objects.count() == 0


def test_the_preview_of_ones_own_text_needs_no_recipient(editor, account):
    response = send(editor, {"subject": "Hi", "text": "Hello", "preview": "1"})

    text = re.sub(r"\s+", " ", strip_tags(response.content.decode()))
    assert "This is what goes out. Hi Plain text Hello" in text


# Who may


@pytest.mark.parametrize("role", [Role.VIEWER])
def test_who_may_not_send_finds_no_page_and_no_link(tenant, account, role):
    client = staff(tenant, role)

    assert client.get(URL).status_code == 403
    assert send(client, OWN | {"account": account.pk}).status_code == 403
    assert URL not in client.get("/admin/").content.decode()
    assert EmailLog.objects.count() == 0


def test_an_editor_finds_the_page_on_the_start_page_and_in_the_navigation(editor, tenant):
    page = editor.get("/admin/").content.decode()

    assert f'href="{URL}"' in page
    assert f'href="{URL}?tenant={tenant.pk}"' in page


@pytest.fixture
def foreign(other_tenant):
    account = make_account(make_domain(other_tenant, "other.test"), "secret")
    return account, make_template(other_tenant, slug="foreign-template")


def test_another_tenants_accounts_and_templates_are_not_offered(editor, account, foreign):
    page = editor.get(URL).content.decode()

    assert "orders@shop.test" in page
    assert "secret@other.test" not in page
    assert "foreign-template" not in page


def test_another_tenants_account_is_refused_as_one_that_is_not_there(editor, account, foreign):
    answers = [
        errors(send(editor, OWN | {"account": pk}), "account") for pk in (foreign[0].pk, 987654)
    ]

    assert answers[0] == answers[1]
    assert EmailLog.objects.count() == 0


def test_another_tenants_template_is_refused(editor, account, foreign):
    fields = {"to_address": "ana@example.com", "account": account.pk, "var_number": "1"}

    response = send(editor, fields, query=f"?template={foreign[1].pk}")

    assert response.status_code == 200
    assert "foreign-template" not in response.content.decode()
    assert EmailLog.objects.count() == 0


def test_another_tenant_is_as_unknown_as_none(editor, account, foreign):
    for pk in (foreign[1].tenant_id, 987654):
        assert editor.get(f"{URL}?tenant={pk}").status_code == 404
        assert send(editor, OWN, query=f"?tenant={pk}").status_code == 404
    assert EmailLog.objects.count() == 0


def test_an_inactive_account_is_not_offered(editor, account):
    EmailAccount.objects.filter(pk=account.pk).update(is_active=False)

    assert "orders@shop.test" not in editor.get(URL).content.decode()


def test_a_superuser_writes_for_the_tenant_that_is_chosen(client, admin_user, account, foreign):
    client.force_login(admin_user)
    tenant = foreign[0].tenant

    send(client, OWN | {"account": foreign[0].pk}, query=f"?tenant={tenant.pk}")

    assert EmailLog.objects.get().tenant == tenant
