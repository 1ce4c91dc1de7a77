"""Verbs on templates: write, change, restore, preview and remove them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from accounts.models import EmailAccount
from common.deletion import delete_unless_used
from common.errors import Conflict, Refused
from common.text import check_text
from templates_app.compilation import compile_template
from templates_app.models import EmailTemplate, TemplateVersion
from templates_app.rendering import CompiledTemplate, missing_variables, render
from tenants.models import APIKey, Tenant

CONTENT = ("subject", "html_content", "source_format", "text_content")
LONGEST_DERIVED_SLUG = 80


@dataclass(frozen=True)
class Author:
    """Who made a version; ``name`` stays when the user is deleted."""

    user: User | None
    name: str

    @classmethod
    def of_user(cls, user: User) -> Self:
        return cls(user=user, name=user.get_username())

    @classmethod
    def of_key(cls, key: APIKey) -> Self:
        return cls(user=None, name=key.name)


@dataclass(frozen=True)
class Draft:
    """Checked columns to store; ``compiled`` is None where what is sent stays as it is."""

    columns: dict[str, Any]
    compiled: CompiledTemplate | None


@dataclass(frozen=True)
class Preview:
    """What a message would look like, and which variables were missing from it."""

    subject: str
    html: str
    text: str
    missing_variables: list[str]


def create_template(*, tenant: Tenant, author: Author, fields: Mapping[str, Any]) -> EmailTemplate:
    """Store a template with its first version; ``fields`` are the contract's.

    A slug that is left out is made from the name. ``default_account`` is an address, a number
    or an account.

    Raises:
        Refused: ``template_error``, ``unique``, ``not_found`` or ``required``, with the field.
    """
    draft = check(tenant=tenant, fields=fields)
    if draft.compiled is None:
        raise TypeError("a new template is always compiled")
    template = EmailTemplate(
        tenant=tenant, version=1, variables=list(draft.compiled.variables), **draft.columns
    )
    try:
        with transaction.atomic():
            template.save(force_insert=True)
            _add_version(template, draft.compiled, author=author)
    except IntegrityError:  # somebody took the slug at the same moment
        _refuse_taken(template.slug, tenant=tenant)
        raise
    return template


def update_template(
    template: EmailTemplate, *, author: Author, changes: Mapping[str, Any]
) -> EmailTemplate:
    """Store the changes and return the row as it is then.

    A change of what is sent (subject, HTML or MJML, its format, text) makes the next version;
    names, accounts and switches don't.

    Raises:
        Refused: as :func:`create_template`.
        Conflict: somebody made a version after ``template`` was read, or deleted it.
    """
    draft = check(tenant=template.tenant, fields=changes, template=template)
    try:
        with transaction.atomic():
            _store(template, draft, author=author)
    except IntegrityError:
        if slug := draft.columns.get("slug"):
            _refuse_taken(slug, tenant=template.tenant, template=template)
        raise
    return EmailTemplate.objects.select_related("default_account", "tenant").get(pk=template.pk)


def restore_version(version: TemplateVersion, *, author: Author) -> EmailTemplate:
    """Make a new version with the content of an old one; of the current one nothing changes.

    Raises:
        Refused: ``template_error``: the template language no longer allows it.
        Conflict: as :func:`update_template`.
    """
    content = {name: getattr(version, name) for name in CONTENT}
    return update_template(version.template, author=author, changes=content)


def delete_template(template: EmailTemplate) -> None:
    """Remove a template that no message refers to, with its versions.

    Raises:
        Conflict: ``in_use``: messages refer to it.
    """
    delete_unless_used(template, name="template")


def preview(version: TemplateVersion, *, variables: Mapping[str, Any], language: str) -> Preview:
    """Return the version with ``variables``; those that are missing are listed and print nothing.

    Raises:
        Refused: ``template_error``, or a control character in the subject.
    """
    given = {"unsubscribe_url": f"{settings.PUBLIC_URL}/u/preview", **variables}
    rendered = render(
        version.compiled,
        variables=given,
        language=language,
        cache_key=version.cache_key,
        allow_missing=True,
    )
    return Preview(
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        missing_variables=missing_variables(version.compiled, given),
    )


def check(
    *, tenant: Tenant, fields: Mapping[str, Any], template: EmailTemplate | None = None
) -> Draft:
    """Return what would be stored for ``fields``, new or over ``template``; nothing is written.

    Raises:
        Refused: as :func:`create_template`.
    """
    columns = dict(fields)
    for name in ("name", "template_type"):
        check_text(columns.get(name, ""), name)
    if template is None and not columns.get("slug"):
        columns["slug"] = slug_from(columns["name"])
    if "slug" in columns:
        _refuse_taken(columns["slug"], tenant=tenant, template=template)
    if "default_account" in columns:
        columns["default_account"] = _find_account(columns["default_account"], tenant=tenant)
    if template is not None:
        columns = {key: new for key, new in columns.items() if new != getattr(template, key)}
    content = _content(template or EmailTemplate(), columns)
    has_new_content = template is None or any(name in columns for name in CONTENT)
    return Draft(columns=columns, compiled=_compiled(content) if has_new_content else None)


def slug_from(name: str) -> str:
    """Return a slug for ``name``; one of digits alone would be taken for a number."""
    slug = slugify(name)[:LONGEST_DERIVED_SLUG].strip("-")
    return f"template-{slug}".strip("-") if slug.isdecimal() or not slug else slug


def _content(template: EmailTemplate, columns: Mapping[str, Any]) -> dict[str, str]:
    return {name: columns.get(name, getattr(template, name)) for name in CONTENT}


def _compiled(content: Mapping[str, Any]) -> CompiledTemplate:
    if not content["html_content"].strip() and not content["text_content"].strip():
        raise Refused(
            "html_content or text_content or both are needed.",
            code="required",
            attr="html_content",
        )
    return compile_template(**content)


def _store(template: EmailTemplate, draft: Draft, *, author: Author) -> None:
    """Write the columns; a version only onto the one that ``template`` was read with."""
    rows = EmailTemplate.objects.filter(pk=template.pk)
    columns = {**draft.columns, "updated_at": timezone.now()}
    if draft.compiled is not None:
        rows = rows.filter(version=template.version)
        columns["version"] = template.version + 1
        columns["variables"] = list(draft.compiled.variables)
    if not rows.update(**columns):
        raise Conflict("Somebody changed or deleted this template meanwhile; look again.")
    if draft.compiled is not None:
        _add_version(EmailTemplate.objects.get(pk=template.pk), draft.compiled, author=author)


def _add_version(template: EmailTemplate, compiled: CompiledTemplate, *, author: Author) -> None:
    TemplateVersion.objects.create(
        template=template,
        number=template.version,
        compiled_subject=compiled.subject,
        compiled_html=compiled.html,
        compiled_text=compiled.text,
        variables=list(compiled.variables),
        needs=list(compiled.needs),
        author=author.user,
        author_name=author.name,
        **_content(template, {}),
    )


def _refuse_taken(slug: str, *, tenant: Tenant, template: EmailTemplate | None = None) -> None:
    others = EmailTemplate.objects.for_tenant(tenant).filter(slug__iexact=slug)
    if template is not None:
        others = others.exclude(pk=template.pk)
    if others.exists():
        raise Refused("Another template has this slug.", code="unique", attr="slug")


def _find_account(
    reference: EmailAccount | str | int | None, *, tenant: Tenant
) -> EmailAccount | None:
    """Return the tenant's account by address, number or itself; None stays None."""
    if reference is None or reference == "":
        return None
    key: dict[str, Any] = {"email_address__iexact": reference}
    if isinstance(reference, EmailAccount):
        key = {"pk": reference.pk}
    elif isinstance(reference, int) or reference.isdecimal():
        key = {"pk": int(reference)}
    account = EmailAccount.objects.for_tenant(tenant).filter(**key).first()
    if account is None:
        raise Refused("There is no such account.", code="not_found", attr="default_account")
    return account
