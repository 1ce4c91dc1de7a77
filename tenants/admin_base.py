"""The base of every admin class: staff see and change their own tenants' rows, by role."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import RelatedFieldListFilter, display
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Field, ForeignKey, Model, Prefetch, QuerySet
from django.forms.models import model_to_dict
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import TabularInline

from common.admin_lists import CarefulAdmin
from common.deletion import is_used
from common.errors import Conflict, Refused
from tenants.models import Role, Tenant
from tenants.roles import reaches, roles_of

BY_NAME = {
    "view": Role.VIEWER,
    "editor": Role.EDITOR,
    "admin": Role.ADMIN,
    "owner": Role.OWNER,
}


def roles_in(request: HttpRequest) -> dict[int, Role]:
    """Return :func:`roles_of` the request's user, asked once a request."""
    known: dict[int, Role] | None = getattr(request, "_tenant_roles", None)
    if known is None:
        known = roles_of(request.user)
        request._tenant_roles = known  # type: ignore[attr-defined]
    return known


def is_list(request: HttpRequest) -> bool:
    """Tell whether a list is asked for, which needs none of its rows' long texts."""
    match = request.resolver_match
    return match is not None and (match.url_name or "").endswith("_changelist")


def user_of(request: HttpRequest) -> User | None:
    """Return who is signed in, for a row that names its maker."""
    return request.user if isinstance(request.user, User) else None


def person(name: str, *, label: Any, nobody: Any = "–") -> Callable[[Any, Any], str]:
    """Return a field that names a user, without Django's link to a page for superusers alone."""

    @display(description=label)
    def shown(_model_admin: Any, row: Any) -> str:
        return str(getattr(row, name) or nobody)

    return shown


def identity(name: str) -> Callable[[Any, Any], str]:
    """Return a field that shows an id, which a model calls by a name of our code alone."""

    @display(description=_("id"), ordering=name)
    def shown(_model_admin: Any, row: Any) -> str:
        return str(getattr(row, name))

    return shown


class OwnRelatedFilter(RelatedFieldListFilter):
    """A filter by a related row that offers only rows which the user may see."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        related = model_admin.admin_of(field.related_model)
        if related is None:
            return super().field_choices(field, request, model_admin)
        return [(row.pk, str(row)) for row in related.get_queryset(request)[:200]]


class LongList(ChangeList):
    """The list of a table that only grows: its rows are read first, then what they name.

    With a join, MariaDB may begin at the few rows that are named, and sort the whole table.
    """

    def apply_select_related(self, qs: QuerySet[Any]) -> QuerySet[Any]:
        return qs.prefetch_related(*self.named())

    def named(self) -> Sequence[str | Prefetch[Any, Any, Any]]:
        """Return what a row shows of other tables."""
        names = self.list_select_related
        return [] if isinstance(names, bool) else names


class OneTenantForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic when it runs
    """Refuses a row that points into another tenant, or into one where the role is too low.

    It also refuses, once, a row that has changed since the page was made. The page carries
    ``shown_state`` in a hidden field ``AS_SHOWN``; a request without one is not asked.
    """

    AS_SHOWN = "as_shown"
    model_admin: TenantAdmin
    request: HttpRequest

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shown_state = self._state() if self.instance.pk else ""

    def stored_values(self) -> dict[str, Any]:
        """Return the row's columns that this form can change, and nothing that changes by itself.

        It is asked before what was entered is put into the row.
        """
        return model_to_dict(self.instance, fields=list(self.base_fields))

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        self._refuse_if_changed()
        values = {} if cleaned is None else cleaned
        home = self._home(values)
        if home is None:
            return cleaned
        if not self.model_admin.has_role(self.request, self.model_admin.change_role, tenant=home):
            raise forms.ValidationError(_("Your role in this tenant does not allow this."))
        if self.instance.pk and self.model_admin.tenant_id(self.instance) != home:
            raise forms.ValidationError(_("A row can't move to another tenant."))
        for name, value in list(values.items()):  # an error takes its field away
            if isinstance(value, Model) and self._is_foreign(value, home):
                self.add_error(name, _("This belongs to another tenant."))
        return cleaned

    def _state(self) -> str:
        """Return a digest of the row as it is stored; what is stored can't be read from it."""
        row = [self.instance._meta.label, self.instance.pk, self.stored_values()]
        text = json.dumps(row, sort_keys=True, default=str)
        return salted_hmac("tenants.admin_base.as_shown", text, algorithm="sha256").hexdigest()

    def _refuse_if_changed(self) -> None:
        """Refuse what was entered over other values; the page then has the state of now."""
        shown = self.data.get(self.AS_SHOWN)
        if shown and self.shown_state and not constant_time_compare(shown, self.shown_state):
            text = _(
                "Somebody changed this meanwhile. What you entered is kept below; saving again "
                "overwrites that change."
            )
            self.add_error(None, text)

    def _home(self, values: dict[str, Any]) -> int | None:
        """The id of the tenant that the row will belong to; None while that is unknown."""
        first, _sep, rest = (self.model_admin.tenant_path or "pk").partition("__")
        if first == "pk":
            pk: int | None = self.instance.pk
            return pk
        owner = values.get(first) or (self.instance.pk and getattr(self.instance, first))
        return tenant_id_of(owner, rest or "pk") if owner else None

    def _is_foreign(self, value: Model, home: int) -> bool:
        related = self.model_admin.admin_of(type(value))
        if related is None or related.tenant_path is None:
            return False
        return tenant_id_of(value, related.tenant_path) != home


def tenant_id_of(row: Any, path: str) -> int | None:
    """Return the id of the tenant at the end of ``path`` (``domain__tenant``; ``pk``: itself)."""
    *steps, last = path.split("__")
    for step in steps:
        row = getattr(row, step)
    found: int | None = row.pk if last == "pk" else getattr(row, f"{last}_id")
    return found


class TenantAdmin(CarefulAdmin):
    """Superusers see all rows, other staff those of their tenants.

    ``tenant_path`` leads from the model to its tenant (``domain__tenant``; ``pk`` on the tenant
    itself; None: for superusers only). ``change_role`` is the least role that adds, changes and
    deletes (None: nobody does). A form of its own extends :class:`OneTenantForm`;
    ``list_editable`` asks no role per row, so it is not used. Actions say which role they need by
    ``permissions=["editor" | "admin" | "owner" | "view" | "change" | "delete"]``; an action on
    many rows is given only those whose tenant grants the role (``change`` where it names none).
    Unfold's ``actions_detail``, ``_row`` and ``_list`` are links: what changes something there
    has a ``dialog``, or any page could do it by a GET.
    """

    tenant_path: str | None = "tenant"
    change_role: Role | None = Role.EDITOR
    form = OneTenantForm
    change_form_before_template = "tenants/admin/as_shown.html"

    # Who may

    def has_role(self, request: HttpRequest, least: Role | None, *, tenant: int | None) -> bool:
        """Tell whether the user reaches ``least`` in that tenant; None: in any tenant."""
        if least is None:
            return False
        if request.user.is_superuser:
            return True
        if self.tenant_path is None or not request.user.is_active:
            return False
        roles = roles_in(request)
        asked = roles.values() if tenant is None else [roles.get(tenant)]
        return any(reaches(role, least) for role in asked)

    def _allows(self, request: HttpRequest, least: Role | None, obj: Any) -> bool:
        if obj is not None and not isinstance(obj, Model):  # unfold's actions give the key alone
            obj = self.get_object(request, str(obj))
            if obj is None:
                return False
        tenant = None if obj is None or not self.tenant_path else self.tenant_id(obj)
        return self.has_role(request, least, tenant=tenant)

    def tenant_id(self, row: Model) -> int | None:
        return tenant_id_of(row, self.tenant_path or "pk")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._allows(request, Role.VIEWER, None)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allows(request, Role.VIEWER, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._allows(request, self.change_role, None)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allows(request, self.change_role, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allows(request, self.change_role, obj)

    def has_editor_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allows(request, Role.EDITOR, obj)

    def has_admin_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allows(request, Role.ADMIN, obj)

    def has_owner_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allows(request, Role.OWNER, obj)

    # Which rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return self.within(request, rows, least=Role.VIEWER)

    def within(
        self, request: HttpRequest, rows: QuerySet[Any], *, least: Role | None
    ) -> QuerySet[Any]:
        """Return those of ``rows`` in whose tenant the user reaches ``least``."""
        if least is None:
            return rows.none()
        if request.user.is_superuser:
            return rows
        if self.tenant_path is None:
            return rows.none()
        ids = [pk for pk, role in roles_in(request).items() if reaches(role, least)]
        return rows.filter(**{f"{self.tenant_path}__in": ids})

    def admin_of(self, model: type[Model]) -> TenantAdmin | None:
        found = self.admin_site._registry.get(model)
        return found if isinstance(found, TenantAdmin) else None

    # Forms

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Any]]:
        made: type[forms.ModelForm[Any]] = super().get_form(request, obj, change, **kwargs)
        if not issubclass(made, OneTenantForm):
            raise TypeError(f"the form of {type(self).__name__} must extend OneTenantForm")
        made.model_admin, made.request = self, request  # the class was made for this request
        return made

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return [*fields, "tenant"] if obj and self.tenant_path == "tenant" else fields

    def get_field_queryset(
        self, db: str | None, db_field: Any, request: HttpRequest
    ) -> QuerySet[Any] | None:
        related = self.admin_of(db_field.related_model)
        if related is None:
            rows: QuerySet[Any] | None = super().get_field_queryset(db, db_field, request)
            return rows
        least = self.change_role if db_field.related_model is Tenant else Role.VIEWER
        return related.within(request, related.get_queryset(request), least=least)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        if self.tenant_path == "tenant":
            ids = [pk for pk, role in roles_in(request).items() if self._adds(role)]
            if len(ids) == 1:
                initial.setdefault("tenant", ids[0])
        return initial

    def _adds(self, role: Role) -> bool:
        return self.change_role is not None and reaches(role, self.change_role)

    # Lists and actions

    def get_list_display(self, request: HttpRequest) -> Any:
        """A column that says the same in every row says nothing."""
        columns = super().get_list_display(request)
        has_one = len(roles_in(request)) < 2
        return [name for name in columns if name != "tenant" or not has_one]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return [self._own_choices(one) for one in super().get_list_filter(request)]

    def _own_choices(self, one: Any) -> Any:
        if not isinstance(one, str) or "__" in one:
            return one
        fields: dict[str, Field[Any, Any]] = {f.name: f for f in self.model._meta.fields}
        return (one, OwnRelatedFilter) if isinstance(fields.get(one), ForeignKey) else one

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {
            name: (self._narrowed(function), name, label)
            for name, (function, _name, label) in super().get_actions(request).items()
        }

    def _narrowed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        names = getattr(function, "allowed_permissions", None) or ["change"]
        needed = [self._role_named(one) for one in names]

        @wraps(function)
        def run(model_admin: Any, request: HttpRequest, rows: QuerySet[Any]) -> Any:
            if self._reaches_all(request, needed):  # nothing to count: it may be the whole table
                return function(model_admin, request, rows)
            allowed = rows
            for least in needed:
                allowed = self.within(request, allowed, least=least)
            if left_out := rows.count() - allowed.count():
                self._tell_left_out(request, left_out)
            return function(model_admin, request, allowed)

        return run

    def _reaches_all(self, request: HttpRequest, needed: Sequence[Role | None]) -> bool:
        """Tell whether the user reaches these roles wherever the user sees rows."""
        roles = roles_in(request).values()
        return all(least and reaches(role, least) for role in roles for least in needed)

    def _role_named(self, permission: str) -> Role | None:
        return self.change_role if permission in CHANGING else BY_NAME[permission]

    def _tell_left_out(self, request: HttpRequest, count: int) -> None:
        text = ngettext(
            "%(count)d row was left out: your role there does not allow this.",
            "%(count)d rows were left out: your role there does not allow this.",
            count,
        )
        self.message_user(request, text % {"count": count}, messages.WARNING)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Parts go with their whole: only the role on the rows themselves is asked."""
        if in_use := [row for row in objs if is_used(row)]:
            texts = [
                _("Messages refer to %(name)s; deactivate it instead.") % {"name": row}
                for row in in_use
            ]
            return [], {}, set(), texts
        listed, counts, _missing, protected = super().get_deleted_objects(objs, request)
        allowed = all(self.has_delete_permission(request, row) for row in objs)
        missing = set() if allowed else {self.opts.verbose_name}
        return listed, counts, missing, protected

    def row_or_404(self, request: HttpRequest, pk: int, *, to_change: bool = False) -> Any:
        """Return the row for a page of our own; 404 to who may not see, or change, it."""
        row = self.get_object(request, str(pk))
        allows = self.has_change_permission if to_change else self.has_view_permission
        if row is None or not allows(request, row):
            raise Http404
        return row

    def row_to_act_on(self, request: HttpRequest, pk: int, *, least: Role) -> Any:
        """Return the row for a button on its page; 404 to who may not see it.

        Raises:
            PermissionDenied: the user may see it, and is not allowed ``least`` there.
        """
        row = self.row_or_404(request, pk)
        if not self._allows(request, least, row):
            raise PermissionDenied
        return row


class TellingAdmin(TenantAdmin):
    """Tells staff who lose a race after their form was checked; nothing is stored then.

    Its pages have a second form for buttons of their own, ``verbs``: of the page's form the first
    button is what Enter presses in every field.
    """

    change_form_outer_after_template = "tenants/admin/verbs.html"

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            answer: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except (Refused, Conflict) as error:
            self.message_user(request, error.detail, messages.ERROR)
            return redirect(request.get_full_path())
        return answer


CHANGING = ("add", "change", "delete")


class ReadOnlyInline(TabularInline):  # type: ignore[misc]  # unfold has no types
    """Rows of a parent that the user may see, never changed here."""

    extra = 0
    can_delete = False
    show_change_link = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
