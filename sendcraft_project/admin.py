"""The admin's users and the audit log, in unfold's clothes."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from auditlog.filters import ResourceTypeFilter
from auditlog.mixins import LogEntryAdminMixin
from auditlog.models import LogEntry
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin import RelatedFieldListFilter
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.formats import localize
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.paginator import InfinitePaginator

from common.admin_lists import CarefulAdmin
from sendcraft_project.audit import TENANT, WATCHED
from sendcraft_project.audit_words import changes, field_label
from tenants.admin_base import LongList, person, roles_in
from tenants.models import Role

MOST_PEOPLE = 200

admin.site.index_title = _("Overview")
admin.site.empty_value_display = "–"
admin.site.unregister([Authenticator, EmailAddress])  # each person's own, on its page
admin.site.unregister(LogEntry)
admin.site.unregister(User)
admin.site.unregister(Group)  # what staff may do stands in their memberships


@admin.register(User)
class UserAdmin(BaseUserAdmin, CarefulAdmin):  # type: ignore[type-arg]
    """Accounts of staff; what they may do in a tenant is their membership."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = [
        "username",
        "email",
        "is_active",
        "is_staff",
        "is_superuser",
        "has_second_factor",
        "last_login",
    ]
    list_filter = ["is_active", "is_staff", "is_superuser"]
    fieldsets = [
        (None, {"fields": ["username", "password", "first_name", "last_name", "email"]}),
        (None, {"fields": ["is_active", "is_staff", "is_superuser", "last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["username", "email", "usable_password", "password1", "password2"]}),
    ]
    filter_horizontal = []
    actions = ["remove_second_factor"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        rows: QuerySet[User] = super().get_queryset(request)
        own = Authenticator.objects.filter(user=OuterRef("pk"))
        return rows.annotate(second_factor=Exists(own))

    @admin.display(description=_("second factor"), boolean=True, ordering="second_factor")
    def has_second_factor(self, user: User) -> bool:
        return bool(user.second_factor)  # type: ignore[attr-defined]  # annotated

    @admin.action(
        description=_("Remove the second factor of the chosen users"), permissions=["change"]
    )
    def remove_second_factor(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """For who lost both the device and the recovery codes: the password alone lets in."""
        count = users.filter(authenticator__isnull=False).distinct().count()
        Authenticator.objects.filter(user__in=users.values("pk")).delete()
        text = ngettext(
            "%(count)d user signs in by password alone now.",
            "%(count)d users sign in by password alone now.",
            count,
        )
        self.message_user(request, text % {"count": count}, messages.SUCCESS)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._is_superuser(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._is_superuser(request)

    @staticmethod
    def _is_superuser(request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)


class WatchedFilter(ResourceTypeFilter):  # type: ignore[misc]  # the library has no types
    """Offers what the log watches, without reading the log for it."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the entries of a kind that is offered, none of another."""
        known = {str(pk) for pk, _name in self.lookup_choices}
        if self.value() is not None and self.value() not in known:
            return queryset.none()
        found: QuerySet[Any] = super().queryset(request, queryset)
        return found

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[int, str]]:
        kinds = ContentType.objects.get_for_models(*map(apps.get_model, WATCHED))
        found = [(kind.pk, str(model._meta.verbose_name)) for model, kind in kinds.items()]
        return sorted(found, key=lambda choice: choice[1])


class ActorFilter(RelatedFieldListFilter):
    """Offers the people of the tenants whose entries the user reads."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        people = User.objects.filter(is_staff=True)
        if not request.user.is_superuser:
            people = people.filter(memberships__tenant__in=owned(request)).distinct()
        return [(one.pk, str(one)) for one in people.order_by("username")[:MOST_PEOPLE]]


@admin.register(LogEntry)
class AuditLogAdmin(LogEntryAdminMixin, CarefulAdmin):  # type: ignore[misc]  # neither has types
    """Who changed what and when; owners read their tenants' entries, superusers all."""

    list_display = ["created", "who", "action", "resource_url", "fields_changed"]
    list_filter = ["action", WatchedFilter, ("actor", ActorFilter)]
    list_select_related = ["content_type", "actor"]
    search_fields = ["object_repr", "actor__username"]
    linked_by = ["object_id"]
    list_class = LongList
    paginator = InfinitePaginator
    list_per_page = 50
    show_full_result_count = False
    fieldsets = [
        (None, {"fields": ["created", "who", "remote_addr", "cid", "action", "resource_url"]}),
        (_("Changes"), {"fields": ["msg"]}),
    ]
    who = person("actor", label=_("User"), nobody=_("the system"))

    @admin.display(description=_("Created"))
    def created(self, entry: LogEntry) -> str:
        return str(localize(localtime(entry.timestamp)))

    @admin.display(description=_("Resource"))
    def resource_url(self, entry: Any) -> SafeString | str:
        """Say what it is about; a second factor's kind was stored in its owner's language."""
        if entry.content_type.model_class() is Authenticator:
            return gettext(entry.object_repr)
        about: SafeString | str = super().resource_url(entry)
        return about

    @admin.display(description=_("Changes"))
    def fields_changed(self, entry: Any) -> str:
        """Say what was changed; a row that came or went did so with all of its columns."""
        if entry.action != LogEntry.Action.UPDATE:
            return ""
        return ", ".join(field_label(entry, name) for name in entry.changes_dict)

    @admin.display(description=_("Changes"))
    def msg(self, entry: LogEntry) -> str:
        return render_to_string("admin/audit_changes.html", {"changes": list(changes(entry))})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["created", "who", "remote_addr", "cid", "action", "resource_url", "msg"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        own = Q(pk__in=[])
        for tenant_id in owned(request):
            own |= Q(**{f"additional_data__{TENANT}": tenant_id})
        return rows.filter(own)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        user = request.user
        return bool(user.is_active and (user.is_superuser or owned(request)))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def owned(request: HttpRequest) -> list[int]:
    """Return the tenants that the user owns."""
    return [pk for pk, role in roles_in(request).items() if role == Role.OWNER]
