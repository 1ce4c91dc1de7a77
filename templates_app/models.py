"""E-mail templates and their immutable versions."""

from __future__ import annotations

import re
from typing import Self

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import connections, models
from django.db.models import F, Q
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from accounts.models import EmailAccount
from templates_app.rendering import CompiledTemplate
from tenants.models import Tenant

MOST_TERMS = 10
# InnoDB's default list (information_schema.INNODB_FT_DEFAULT_STOPWORD), from three letters on.
STOP_WORDS = frozenset({"about", "are", "com", "for", "from", "how", "that", "the", "this"}) | {
    "und",
    "was",
    "what",
    "when",
    "where",
    "who",
    "will",
    "with",
    "www",
}


class SourceFormat(models.TextChoices):
    HTML = "html", "HTML"
    MJML = "mjml", "MJML"


def is_number(reference: str) -> bool:
    """Tell whether a reference names a template by its number; a slug is never digits alone."""
    return re.fullmatch(r"[0-9]{1,18}", reference) is not None


class EmailTemplateQuerySet(models.QuerySet["EmailTemplate"]):
    def for_tenant(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)

    def named(self, reference: str) -> Self:
        """The one of this number, or else of this slug."""
        if is_number(reference):
            return self.filter(pk=int(reference))
        return self.filter(slug=reference)

    def matching(self, words: str) -> Self:
        """Those whose name, subject or HTML hold all ``words``; by FULLTEXT on MySQL.

        FULLTEXT finds words by their beginning; it has no entry for short words, stop words and
        punctuation, so these are looked for in the columns, as SQLite does with every word.
        """
        found = self
        indexed = []
        for term in words.split()[:MOST_TERMS]:
            if self._is_indexed(term):
                indexed.append(f"+{term}*")
            else:
                found = found.filter(
                    Q(name__icontains=term)
                    | Q(subject__icontains=term)
                    | Q(html_content__icontains=term)
                )
        if not indexed:
            return found
        where = "MATCH ({0}.name, {0}.subject, {0}.html_content) AGAINST (%s IN BOOLEAN MODE)"
        clause = where.format(self.model._meta.db_table)
        return found.extra(where=[clause], params=[" ".join(indexed)])  # type: ignore[return-value]  # noqa: S610

    def _is_indexed(self, term: str) -> bool:
        is_word = re.fullmatch(r"\w{3,80}", term) is not None
        is_mysql = connections[self.db].vendor == "mysql"
        return is_mysql and is_word and term.lower() not in STOP_WORDS


class EmailTemplate(models.Model):
    """The current state of a template; each change adds a :class:`TemplateVersion`."""

    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="templates", verbose_name=_("tenant")
    )
    slug = models.CharField(
        _("slug"),
        max_length=100,
        validators=[
            RegexValidator(
                r"^(?=.*[A-Za-z_-])[A-Za-z0-9_-]+\Z",
                _("Letters, digits, - and _, not digits alone."),
            )
        ],
    )
    name = models.CharField(_("name"), max_length=200)
    subject = models.CharField(_("subject"), max_length=998)
    html_content = models.TextField(_("source"), blank=True)
    source_format = models.CharField(
        _("source format"), max_length=4, choices=SourceFormat, default=SourceFormat.HTML
    )
    text_content = models.TextField(
        _("plain text"), blank=True, help_text=_("Made from the HTML when empty.")
    )
    template_type = models.CharField(_("type"), max_length=50, blank=True)
    default_account = models.ForeignKey(
        EmailAccount,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("default account"),
    )
    variables = models.JSONField(_("variables"), default=list, editable=False)
    sample_data = models.JSONField(
        _("sample data"),
        default=dict,
        blank=True,
        help_text=_("Values for the preview and for test messages, as JSON."),
    )
    track_opens = models.BooleanField(_("track opens"), null=True, blank=True)
    track_clicks = models.BooleanField(_("track clicks"), null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    usage_count = models.PositiveBigIntegerField(_("used"), default=0, editable=False)
    version = models.PositiveIntegerField(_("version"), default=0, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = EmailTemplateQuerySet.as_manager()

    class Meta:
        verbose_name = _("template")
        verbose_name_plural = _("templates")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "slug"], name="template_slug_once")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def current(self) -> TemplateVersion:
        return self.versions.get(number=F("template__version"))


class TemplateVersion(models.Model):
    """What a template was at one time, as written and as compiled; never changed."""

    template = models.ForeignKey(
        EmailTemplate, models.CASCADE, related_name="versions", verbose_name=_("template")
    )
    number = models.PositiveIntegerField(_("version"))
    subject = models.CharField(_("subject"), max_length=998)
    html_content = models.TextField(_("source"), blank=True)
    source_format = models.CharField(_("source format"), max_length=4, choices=SourceFormat)
    text_content = models.TextField(_("plain text"), blank=True)
    compiled_subject = models.TextField(editable=False)
    compiled_html = models.TextField(editable=False)
    compiled_text = models.TextField(editable=False)
    variables = models.JSONField(default=list, editable=False)
    needs = models.JSONField(default=list, editable=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("author"),
    )
    author_name = models.CharField(
        _("author"), max_length=150, help_text=_("The user, or the API key's name.")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("template version")
        verbose_name_plural = _("template versions")
        constraints = [
            models.UniqueConstraint(fields=["template", "number"], name="template_version_once")
        ]

    def __str__(self) -> str:
        return f"{self.template.slug} v{self.number}"

    @cached_property
    def compiled(self) -> CompiledTemplate:
        """What ``templates_app.rendering`` takes."""
        return CompiledTemplate(
            subject=self.compiled_subject,
            html=self.compiled_html,
            text=self.compiled_text,
            variables=tuple(self.variables),
            needs=tuple(self.needs),
        )

    @cached_property
    def cache_key(self) -> str:
        """Names the version for the renderer's cache; a version never changes.

        The time tells it from a row of the same number in a database that was restored.
        """
        return f"version:{self.pk}:{self.created_at.timestamp()}"
