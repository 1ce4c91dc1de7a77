"""Background jobs for staff: how far they are, what they came to, and a way to stop them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import content_disposition_header
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display

from common import spreadsheets
from common.errors import Conflict
from tenants import services
from tenants.admin_base import TenantAdmin, is_list, person
from tenants.background import JobKind, job_storage, kind_of, output_paths
from tenants.models import BackgroundJob, JobProblem, JobStatus

COLOURS: dict[str, str] = {
    JobStatus.QUEUED: "info",
    JobStatus.RUNNING: "info",
    JobStatus.DONE: "success",
    JobStatus.FAILED: "danger",
    JobStatus.CANCELLED: "warning",
}
FRAGMENT = "admin/tenants/backgroundjob/progress.html"
PROBLEMS_SHOWN = 20
PROBLEMS_AT_ONCE = 2000
BYTES_AT_ONCE = 64 * 1024


@admin.register(BackgroundJob)
class BackgroundJobAdmin(TenantAdmin):
    """Jobs are started where their work belongs; here they are watched and stopped."""

    change_role = None
    list_display = ["kind_label", "status_label", "how_far", "created_by", "created_at", "tenant"]
    list_filter = ["status", "tenant"]
    list_select_related = ["tenant", "created_by"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = ["tenant", "starter", "created_at", "started_at", "finished_at"]
    readonly_fields = fields
    starter = person("created_by", label=_("created by"))
    change_form_outer_before_template = FRAGMENT

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """A list needs none of the rows that a job names, which may be 10,000."""
        rows = super().get_queryset(request)
        return rows.defer("params", "state") if is_list(request) else rows

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "tenants_backgroundjob"
        own = [
            path("<int:pk>/progress/", view(self.progress_view), name=f"{name}_progress"),
            path("<int:pk>/cancel/", view(self.cancel_view), name=f"{name}_cancel"),
            path("<int:pk>/output/", view(self.output_view), name=f"{name}_output"),
            path("<int:pk>/problems/", view(self.problems_view), name=f"{name}_problems"),
        ]
        inherited: list[URLPattern] = super().get_urls()
        return [*own, *inherited]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not object_id.isdecimal():
            raise Http404
        context = self._context(request, self._seen(request, int(object_id)))
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **context}
        )
        return response

    # Columns and fields

    @admin.display(description=_("job"))
    def kind_label(self, job: BackgroundJob) -> str:
        return str(kind_of(job).label)

    @display(description=_("status"), ordering="status", label=COLOURS)  # type: ignore[untyped-decorator]
    def status_label(self, job: BackgroundJob) -> tuple[str, str]:
        return job.status, job.get_status_display()

    @admin.display(description=_("how far"))
    def how_far(self, job: BackgroundJob) -> str:
        return "–" if job.percent is None else f"{job.percent} %"

    # What a page asks for while it is open

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer the part of the page that changes; the whole page is asked for at the end."""
        job = self._seen(request, pk)
        headers = {"Cache-Control": "no-store", **({"HX-Refresh": "true"} if job.is_over else {})}
        return TemplateResponse(request, FRAGMENT, self._context(request, job), headers=headers)

    @method_decorator(require_POST)
    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        job = self._seen(request, pk)
        if not self.has_editor_permission(request, job):
            raise Http404
        try:
            services.cancel_job(job, at=timezone.now())
        except Conflict:
            self.message_user(request, _("This job is over already."), messages.WARNING)
        else:
            self.message_user(request, _("This job stops."), messages.SUCCESS)
        return redirect("admin:tenants_backgroundjob_change", pk)

    def output_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """Answer what the job made, as a file to keep."""
        job = self._seen(request, pk)
        is_there = job.status == JobStatus.DONE and job.output_parts
        if not is_there or not self.has_editor_permission(request, job):
            raise Http404
        return _as_file(_read(output_paths(job)), name=job.output_name)

    def problems_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """Answer which lines were refused, and why, as a file to keep."""
        job = self._seen(request, pk)
        return _as_file(_problem_report(job), name=f"refused-{job.pk}.csv")

    def _seen(self, request: HttpRequest, pk: int) -> BackgroundJob:
        """Return the job if the user may see it; anything else is 404."""
        if not self.has_view_permission(request):
            raise Http404
        job: BackgroundJob = get_object_or_404(self.get_queryset(request), pk=pk)
        return job

    def _context(self, request: HttpRequest, job: BackgroundJob) -> dict[str, Any]:
        kind = kind_of(job)
        problems = list(job.problems.order_by("line")[: PROBLEMS_SHOWN + 1])
        return {
            "job": job,
            "kind": kind.label,
            "piece": kind.piece,
            "error": kind.word(job.error) if job.error else "",
            "counts": [(name, job.result[key]) for key, name in _counts(job) if key in job.result],
            "problems": [_told(each, kind) for each in problems[:PROBLEMS_SHOWN]],
            "has_more_problems": len(problems) > PROBLEMS_SHOWN,
            "has_output": job.status == JobStatus.DONE
            and bool(job.output_parts)
            and self.has_editor_permission(request, job),
            "may_cancel": not job.is_over
            and not job.cancel_requested
            and self.has_editor_permission(request, job),
        }


def _counts(job: BackgroundJob) -> Iterable[tuple[str, Any]]:
    return kind_of(job).counts.items()


def _read(paths: Iterable[str]) -> Iterator[bytes]:
    for each in paths:
        with job_storage().open(each, "rb") as file:
            while some := file.read(BYTES_AT_ONCE):
                yield some


def _problem_report(job: BackgroundJob) -> Iterator[bytes]:
    kind = kind_of(job)
    header = [[str(kind.piece), str(_("value")), str(_("why"))]]
    yield (spreadsheets.BOM + spreadsheets.to_csv(header)).encode()
    after = 0
    while rows := list(_problems_after(job, after)):
        yield spreadsheets.to_csv(_told(row, kind) for row in rows).encode()
        after = rows[-1].line


def _told(problem: JobProblem, kind: JobKind) -> tuple[int, str, str]:
    return problem.line, kind.shown(problem.value), kind.word(problem.code)


def _problems_after(job: BackgroundJob, line: int) -> Iterable[JobProblem]:
    return job.problems.filter(line__gt=line).order_by("line")[:PROBLEMS_AT_ONCE]


def _as_file(content: Iterator[bytes], *, name: str) -> StreamingHttpResponse:
    """Return a download that no browser shows as a page."""
    response = StreamingHttpResponse(content, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "private, no-store"
    return response
