"""Mail handed in for triage, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.exceptions import ValidationError
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from ai_triage import incoming, services
from ai_triage.api import examples
from ai_triage.api.filters import EmailFilter
from ai_triage.api.serializers import (
    HEAVY,
    AcceptedBatchSerializer,
    BatchRequestSerializer,
    BatchSerializer,
    EmailSerializer,
    ListedEmailSerializer,
    MailSerializer,
    ProcessedSerializer,
    QueuedMailSerializer,
    StatusSerializer,
)
from ai_triage.incoming import Incoming
from ai_triage.models import Status, TriageResult
from ai_triage.models.results import key_of
from common.api.errors import BadQuery
from common.api.schema import ErrorSerializer
from common.api.serializers import shared
from common.errors import Refused, RefusedTogether
from common.ids import uuid7
from logs.models import EmailLog
from tenants.api.views import IdempotentMixin, TenantMixin, TenantViewSet
from tenants.idempotency import Answer

DONE, ACCEPTED = 200, 202
ASYNC = OpenApiParameter("async", bool, description="Leave it to a worker and answer 202.")
FORCE = OpenApiParameter("force", bool, description="Judge the mail anew.")
PREFER = OpenApiParameter(
    "Prefer", str, OpenApiParameter.HEADER, description="`respond-async` is `?async=true`."
)
OF_RESPONSE = ("tracking_id", "status", "from_address", "sent_at", "error_message")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
EMAIL_ID = OpenApiParameter("email_id", str, OpenApiParameter.PATH)


@extend_schema(tags=["triage"])
class ProcessView(IdempotentMixin, APIView):
    """One mail to be judged."""

    write_scope = "triage:process"

    @extend_schema(
        operation_id="emails_process",
        summary="Judge a mail",
        description=(
            "Respond or ignore, with a draft where an answer is due. Waits for the verdict for up "
            "to 25 seconds; past that, or where asked to, a worker goes on and the answer is 202. "
            "The same `email_id` again gets the stored answer; a failed mail is tried again. "
            "503 and 502: the provider was not reachable or answered nonsense; nothing is lost, "
            "and the same request may be repeated."
        ),
        parameters=[ASYNC, FORCE, PREFER],
        request=MailSerializer,
        responses={200: ProcessedSerializer, 202: QueuedMailSerializer, 502: ErrorSerializer},
        examples=[examples.MAIL, examples.PROCESSED, examples.QUEUED],
    )
    def post(self, request: Request) -> Response:
        if self.is_asynchronous:
            return self.answer_once(self.prepare)
        return self.answer_once_outside(self.prepare_waiting)

    @property
    def is_asynchronous(self) -> bool:
        return prefers_async(self.request.headers.get("Prefer", "")) or self.flag("async")

    def flag(self, name: str) -> bool:
        value = self.request.query_params.get(name, "false")
        if value not in ("true", "false"):
            raise BadQuery({name: [f"{name} is true or false."]})
        return value == "true"

    def prepare(self) -> Callable[[], Answer]:
        mail, force = self.mail(), self.flag("force")

        def work() -> Answer:
            row, _ = services.take_in(mail, tenant=self.tenant, mode=self.api_key.mode, force=force)
            return answer_about(row)

        return work

    def prepare_waiting(self) -> Callable[[], Answer]:
        mail, force = self.mail(), self.flag("force")
        wait: float = settings.TRIAGE_DEADLINE

        def work() -> Answer:
            with transaction.atomic():
                row, is_mine = services.take_in(
                    mail, tenant=self.tenant, mode=self.api_key.mode, wait=wait, force=force
                )
            if is_mine:
                services.process_now(row, wait=wait)
            return answer_about(row)

        return work

    def mail(self) -> Incoming:
        return incoming.read(MailSerializer.validated(self.request.data), now=timezone.now())


def prefers_async(header: str) -> bool:
    """Tell whether ``respond-async`` is among the preferences, with whatever else (RFC 7240).

    Parameters follow a semicolon, and a comma within quotes parts nothing.
    """
    preferences = _QUOTED.sub("", header).lower().split(",")
    return "respond-async" in [re.split("[;=]", one)[0].strip() for one in preferences]


def answer_about(row: TriageResult) -> Answer:
    if row.status == Status.COMPLETED:
        return Answer(DONE, ProcessedSerializer(row).data)
    queued = {
        "status": "queued",
        "email_id": row.email_id,
        "job_id": row.job_id,
        "estimated_time": services.estimated_seconds(row),
    }
    return Answer(ACCEPTED, QueuedMailSerializer(queued).data)


@extend_schema(tags=["triage"])
class ProcessBatchView(IdempotentMixin, APIView):
    """Many mails to be judged by workers."""

    write_scope = "triage:process"

    @extend_schema(
        operation_id="emails_process_batch",
        summary="Judge many mails",
        description=(
            "Up to 1,000 mails. Those that can't be taken are listed in `rejected`; "
            "`GET /emails?batch_id=` lists the rest."
        ),
        request=BatchRequestSerializer,
        responses={202: AcceptedBatchSerializer},
        examples=[examples.BATCH, examples.ACCEPTED],
    )
    def post(self, request: Request) -> Response:
        return self.answer_once(self.prepare)

    def prepare(self) -> Callable[[], Answer]:
        given = BatchSerializer.validated(self.request.data)["emails"]
        batch = services.Batch(uuid7())
        mails = []
        for index, fields in enumerate(given):
            if mail := read_or_reject(fields, index=index, batch=batch):
                mails.append((index, mail))

        def work() -> Answer:
            services.take_in_batch(mails, tenant=self.tenant, mode=self.api_key.mode, batch=batch)
            return Answer(ACCEPTED, AcceptedBatchSerializer(batch).data)

        return work


def read_or_reject(fields: Any, *, index: int, batch: services.Batch) -> Incoming | None:
    """Return the mail, or None after it was rejected with the first thing that is wrong."""
    email_id = fields.get("email_id") if isinstance(fields, dict) else None
    email_id = email_id if isinstance(email_id, str) else None
    try:
        return incoming.read(shared(MailSerializer).run_validation(fields), now=timezone.now())
    except RefusedTogether as together:
        first: Refused = together.refusals[0]
        detail = f"{first.attr}: {first.detail}"
        batch.rejected.append(services.Rejected(index, email_id, first.code, detail))
    except ValidationError as error:
        attr, code, detail = first_error(error.get_full_details())
        detail = f"{attr}: {detail}"
        batch.rejected.append(services.Rejected(index, email_id, code, detail))
    return None


def first_error(details: Any, path: str = "") -> tuple[str, str, str]:
    """Return field, code and sentence of the first of nested errors."""
    if isinstance(details, list):
        return first_error(details[0], path)
    if set(details) == {"message", "code"} and isinstance(details["code"], str):
        return path or "email", details["code"], str(details["message"])
    name = next(iter(details))
    inner = path if name == "non_field_errors" else f"{path}.{name}".strip(".")
    return first_error(details[name], inner)


class EmailMixin(TenantMixin):
    """Finds the tenant's triaged mail by the ``email_id`` of the path."""

    kwargs: dict[str, Any]

    def one_of(self, rows: QuerySet[TriageResult]) -> TriageResult:
        """Return the mail: that of the key's own mode first; another tenant's is 404."""
        own = rows.filter(email_key=key_of(self.kwargs["email_id"]))
        found = {row.mode: row for row in own}
        row = found.get(self.api_key.mode) or next(iter(found.values()), None)
        if row is None:
            raise Http404
        return row


@extend_schema(tags=["triage"])
class StatusView(EmailMixin, APIView):
    """How far a mail is."""

    write_scope = "triage:process"
    read_scopes = ("triage:read",)

    @extend_schema(
        operation_id="emails_status",
        summary="How far a mail is",
        parameters=[EMAIL_ID],
        responses={200: StatusSerializer},
        examples=[examples.STATUS],
    )
    def get(self, request: Request, email_id: str) -> Response:
        rows = TriageResult.objects.for_tenant(self.tenant).defer(*HEAVY)
        row = self.one_of(with_response(rows, *OF_RESPONSE))
        return Response(StatusSerializer(row).data)


def with_response(rows: QuerySet[TriageResult], *columns: str) -> QuerySet[TriageResult]:
    return rows.prefetch_related(Prefetch("response", EmailLog.objects.only(*columns)))


@extend_schema(tags=["triage"])
@extend_schema_view(
    list=extend_schema(
        operation_id="emails_list",
        summary="List triaged mail",
        description="Newest first; `search` looks into sender, subject and `email_id`.",
        examples=[examples.LISTED],
    ),
    retrieve=extend_schema(
        operation_id="emails_get",
        summary="Get a triaged mail",
        parameters=[EMAIL_ID],
        examples=[examples.EMAIL],
    ),
)
class EmailViewSet(EmailMixin, ListModelMixin, RetrieveModelMixin, TenantViewSet[TriageResult]):
    """Mail that was handed in, and its triage."""

    queryset = TriageResult.objects.none()
    write_scope = "triage:process"
    read_scopes = ("triage:read",)
    filterset_class = EmailFilter
    search_fields = ("from_address", "from_name", "subject", "email_id")
    ordering_fields = ("received_at", "processed_at", "created_at", "confidence")
    lookup_field = "email_id"

    def get_serializer_class(self) -> type[BaseSerializer[TriageResult]]:
        return ListedEmailSerializer if self.action == "list" else EmailSerializer

    def get_queryset(self) -> QuerySet[TriageResult]:
        own = TriageResult.objects.for_tenant(self.tenant).select_related("prompt__prompt")
        own = own.defer("prompt__system_prompt", "prompt__respond_to", "prompt__ignore")
        rows = with_response(own, "tracking_id")
        return rows.defer(*HEAVY) if self.action == "list" else rows

    def get_object(self) -> TriageResult:
        return self.one_of(self.get_queryset())
