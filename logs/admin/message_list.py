"""The list of messages: quick ways in, filters, and a search that reads no whole table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR
from django.db import connections, router
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import RangeDateFilter, TextFilter
from unfold.paginator import InfinitePaginator

from logs import searching
from logs.models import EmailStatus
from logs.timeline import instant
from templates_app.models import EmailTemplate
from tenants.admin_base import LongList, TenantAdmin, roles_in
from tenants.models import Mode

FIRST_DAY, LAST_DAY = "queued_at_from", "queued_at_to"
STATUS, MODE, TENANT = "status__exact", "mode__exact", "tenant__id__exact"
TAG = "tag"
MOST_LANES = 100
"""Of so many tenants at once the newest are found by one statement."""
ANY = -(2**62)
"""The key of no tenant."""


def day_in(request: HttpRequest, name: str) -> date | None:
    """Return the day that the list's query names; None where it names none."""
    try:
        return parse_date(request.GET.get(name, ""))
    except ValueError:
        return None


def until_in(request: HttpRequest) -> datetime | None:
    """Return the end of the last day that the list's query names."""
    last = day_in(request, LAST_DAY)
    return end(last) if last else None


def beginning(day: date) -> datetime:
    """Return when the day begins where its reader is."""
    local = datetime.combine(day, time.min, tzinfo=timezone.get_current_timezone())
    return local.astimezone(UTC)


def end(day: date) -> datetime:
    return beginning(day + timedelta(days=1)) if day < date.max else beginning(day)


class DaysFilter(RangeDateFilter):  # type: ignore[misc]  # unfold has no types
    """Messages of some days, both named days among them."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = day_in(request, FIRST_DAY), day_in(request, LAST_DAY)
        if first is not None:
            queryset = queryset.filter(queued_at__gte=beginning(first))
        if last is not None:
            queryset = queryset.filter(queued_at__lt=end(last))
        return queryset


class ModeFilter(SimpleListFilter):
    """Live or test mail; of test mail, which no index finds, the newest."""

    title = gettext_lazy("mode")
    parameter_name = MODE

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(Mode.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case Mode.LIVE:
                return queryset.filter(mode=Mode.LIVE)
            case Mode.TEST:
                ids, _since = searching.newest(Q(mode=Mode.TEST), tenants=list(roles_in(request)))
                return queryset.filter(pk__in=ids)
        return queryset


class TagFilter(TextFilter):  # type: ignore[misc]  # unfold has no types
    """Messages with a tag, written out; of very many the newest."""

    title = gettext_lazy("tag")
    parameter_name = TAG

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        found = searching.tagged(self.value(), tenants=tenants_in(request), until=until_in(request))
        request._message_tag = found  # type: ignore[attr-defined]
        return queryset.filter(pk__in=found.keys)


class MessageChangeList(LongList):
    """Newest first as an index has them: by time, or by key where another index leads.

    A page's keys come first, from the index alone: a far page would read all rows before it.
    """

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return ["-queued_at", "-pk"] if is_by_time(request) else ["-pk"]

    def named(self) -> list[str | Prefetch[Any, Any, Any]]:
        return ["account", Prefetch("template", EmailTemplate.objects.only("name"))]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        first = (self.page_num - 1) * self.list_per_page
        last = first + self.list_per_page
        lanes = tenants_in(request)
        tagged = tagged_in(request)
        if tagged and filters_in(request) == {TAG}:
            keys = list(tagged.keys.order_by("-email_id")[first:last])
        elif has_index(request) and 1 < len(lanes) <= MOST_LANES:
            keys = newest_of(lanes, rows=self.queryset, first=first, last=last)
        else:
            keys = list(self.queryset.values_list("pk", flat=True)[first:last])
        self.result_list = self.queryset.filter(pk__in=keys)


def tenants_in(request: HttpRequest) -> list[int]:
    """Return the tenants whose messages are listed."""
    known = list(roles_in(request))
    chosen = request.GET.get(TENANT, "")
    return [pk for pk in known if str(pk) == chosen] if chosen else known


def tagged_in(request: HttpRequest) -> searching.Tagged | None:
    """Return what the tag in the list's query has found."""
    return getattr(request, "_message_tag", None)


def is_by_time(request: HttpRequest) -> bool:
    """Tell whether the index of tenant and time leads: for days, and for all of a tenant.

    Who sees every tenant gets its newest messages by key, and so does who sees very many: no
    index has the messages of all of them by time.
    """
    if len(tenants_in(request)) > MOST_LANES:
        return False
    if day_in(request, FIRST_DAY) or day_in(request, LAST_DAY):
        return True
    sees_all = request.user.is_superuser and len(tenants_in(request)) > 1
    return not filters_in(request) and not sees_all


def has_index(request: HttpRequest) -> bool:
    """Tell whether each tenant's messages stand in an index in the list's order.

    What is found by its keys is not looked for in there: each tenant's part would repeat them.
    """
    given = filters_in(request)
    if given & {SEARCH_VAR, TAG} or request.GET.get(MODE) == Mode.TEST:
        return False
    return is_by_time(request) or given == {STATUS}


def filters_in(request: HttpRequest) -> set[str]:
    """Return by what else than tenants the list is narrowed."""
    return {name for name, value in request.GET.items() if value} - {TENANT, PAGE_VAR}


def newest_of(lanes: Sequence[int], *, rows: QuerySet[Any], first: int, last: int) -> list[int]:
    """Return keys of ``rows``, from ``first`` up to ``last`` of those of some tenants.

    Each tenant's first ones are found by its index, then the first of them.
    """
    columns = [str(name).removeprefix("-") for name in rows.query.order_by]
    connection = connections[router.db_for_read(rows.model)]
    lane = rows.filter(tenant=ANY).values_list(*columns)[:last]
    sql, given = lane.query.get_compiler(connection=connection).as_sql()
    each = " UNION ALL ".join(
        f"SELECT * FROM ({sql}) lane{number}"  # noqa: S608  as Django wrote it
        for number in range(len(lanes))
    )
    newest = f"ORDER BY {', '.join(f'{name} DESC' for name in columns)} LIMIT %s OFFSET %s"
    params = [pk if param == ANY else param for pk in lanes for param in given]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT pk FROM ({each}) lanes {newest}",  # noqa: S608
            [*params, last - first, first],
        )
        return [pk for (pk,) in cursor.fetchall()]


class MessageList(TenantAdmin):
    """What the list of messages can do, whatever its columns."""

    list_filter = [
        "tenant", "status", "account", "template", TagFilter, ModeFilter,
        ("queued_at", DaysFilter),
    ]  # fmt: skip
    list_filter_submit = True
    search_fields = ["to_address", "subject", "tracking_id"]
    search_help_text = gettext_lazy("How an address begins, words of a subject, or an id")
    ordering = ["-id"]
    sortable_by: list[str] = []  # no column but the key has an index that lists could go by
    list_class = MessageChangeList
    paginator = InfinitePaginator
    show_full_result_count = False
    list_disable_select_all = True
    list_per_page = 50
    list_before_template = "logs/admin/list_head.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        tenants = list(roles_in(request))
        return rows.filter(tenant=tenants[0]) if len(tenants) == 1 else rows

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        filters = super().get_list_filter(request)
        return filters if len(roles_in(request)) > 1 else filters[1:]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = searching.search(term, tenants=list(roles_in(request)), until=until_in(request))
        request._message_search = found  # type: ignore[attr-defined]
        return queryset.filter(pk__in=found.ids), False

    def search_note(self, request: HttpRequest) -> str:
        """Return how far the search looked; empty where it looked everywhere."""
        found = cast("searching.Found | None", getattr(request, "_message_search", None))
        if found is None:
            return ""
        if found.is_cut:
            return _("More than %(count)d messages match; write more, or choose days.") % {
                "count": searching.FOUND
            }
        if found.since is None:
            return ""
        return _(
            "Subjects were searched in the newest %(count)d messages, back to %(at)s. Ids and "
            "beginnings of addresses were searched in all. Choose days to look further back."
        ) % {"count": searching.LOOKED_AT, "at": instant(found.since)}

    def tag_note(self, request: HttpRequest) -> str:
        """Return how far back messages with the tag were looked at; empty where all were."""
        found = tagged_in(request)
        since = found.since if found else None
        if since is None:
            return ""
        return _(
            "Of the messages with this tag the newest %(count)d were looked at, back to %(at)s. "
            "Choose days to look further back."
        ) % {"count": searching.LOOKED_AT, "at": instant(since)}

    def quick_links(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Return ways into the list that people often take."""
        today = timezone.localdate().isoformat()
        ways: list[tuple[Any, dict[str, str]]] = [
            (_("All"), {}),
            (_("Today"), {FIRST_DAY: today}),
            *(
                (EmailStatus(status).label, {STATUS: status.value})
                for status in (
                    EmailStatus.QUEUED, EmailStatus.FAILED, EmailStatus.BOUNCED, EmailStatus.SPAM,
                )
            ),
        ]  # fmt: skip
        given = {name: value for name, value in request.GET.items() if value and name != "p"}
        return [
            {"label": label, "url": f"?{urlencode(query)}", "is_current": given == query}
            for label, query in ways
        ]
