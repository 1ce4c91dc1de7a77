"""What callers say of a verdict, and the answer that they send."""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ai_triage import review
from ai_triage.api.views import EMAIL_ID, EmailMixin
from ai_triage.kinds import Decision, EmailType, Urgency
from ai_triage.models import Feedback, TriageResult
from ai_triage.replies import Reply
from ai_triage.review import NOTHING, Correction
from common.api.fields import Text
from common.api.serializers import StrictSerializer, shared
from common.errors import Refused
from delivery.api.serializers import AcceptedSerializer, Reference
from tenants.api.permissions import HasScope
from tenants.api.views import IdempotentMixin
from tenants.idempotency import Answer

CREATED, ACCEPTED = 201, 202
LONGEST_COMMENT = 2000
CORRECTION = {"email_type": "complaint", "urgency": "high", "comment": "The customer is furious."}
SAID = {
    "email_id": "msg_12345",
    "action": "corrected",
    "decision": None,
    **CORRECTION,
    "by": "helpdesk (sk_live_4fTq9sXz…)",
    "created_at": "2026-01-15T10:32:00Z",
}
REPLY = {
    "from_account": "support@biofraga.com",
    "subject": "Re: Dúvida sobre produto",
    "body": "Olá,\n\no produto está disponível.\n\nEquipa Biofraga",
}
QUEUED = {
    "tracking_id": "0199f3c2-9a41-7c55-b1de-5f2f6f0f8a11",
    "status": "queued",
    "from_address": "support@biofraga.com",
    "to_address": "cliente@example.com",
    "template_id": None,
    "queued_at": "2026-01-15T10:35:00Z",
    "send_at": None,
}


class FeedbackSerializer(StrictSerializer):
    decision = serializers.ChoiceField(list(Decision), required=False)
    email_type = serializers.ChoiceField(list(EmailType), required=False)
    urgency = serializers.ChoiceField(list(Urgency), required=False)
    comment = Text(required=False, max_length=LONGEST_COMMENT)


class SaidField(serializers.CharField):
    def to_representation(self, value: str) -> str | None:  # type: ignore[override]  # null: nothing
        return value or None


class KeptFeedbackSerializer(serializers.ModelSerializer[Feedback]):
    """What was kept; null where nothing was said."""

    email_id = serializers.CharField(source="result.email_id")
    decision = SaidField(allow_null=True)
    email_type = SaidField(allow_null=True)
    urgency = SaidField(allow_null=True)

    class Meta:
        model = Feedback
        fields = [
            "email_id",
            "action",
            "decision",
            "email_type",
            "urgency",
            "comment",
            "by",
            "created_at",
        ]
        read_only_fields = fields


class ReplySerializer(StrictSerializer):
    from_account = Reference(
        required=False,
        help_text="Address or number of the account. Left out: the one of the triage settings, "
        "else the one that the mail was written to, else the default.",
    )
    subject = Text(required=False, allow_blank=True, help_text="Left out: `Re:` and the subject.")
    body = Text(
        required=False,
        allow_blank=True,
        max_length=100_000,
        help_text="Plain text; the mail is quoted below it. Left out: the suggested one.",
    )


class OwnModeMixin(EmailMixin):
    """Finds mail to act on: of the key's own mode alone, so that test keys touch test mail."""

    def mail(self) -> TriageResult:
        rows = TriageResult.objects.for_tenant(self.tenant).filter(mode=self.api_key.mode)
        return self.one_of(rows.select_related("tenant", "inbound"))


@extend_schema(tags=["triage"])
class FeedbackView(IdempotentMixin, OwnModeMixin, APIView):
    """What a person says of a verdict."""

    write_scope = "triage:process"

    @extend_schema(
        operation_id="emails_feedback",
        summary="Say whether a verdict was right",
        description=(
            "Give what is right where the verdict is wrong, or what was decided anyway to approve "
            "it; at least one field. The verdict stays as it was; the mail counts as reviewed, "
            "and later mail is judged with it in view. A mail that is to be answered goes on "
            "waiting for its answer. 409 while there is no verdict."
        ),
        parameters=[EMAIL_ID],
        request=FeedbackSerializer,
        responses={201: KeptFeedbackSerializer},
        examples=[
            OpenApiExample("Another type", CORRECTION, request_only=True),
            OpenApiExample("Kept", SAID, response_only=True, status_codes=["201"]),
        ],
    )
    def post(self, request: Request, email_id: str) -> Response:
        return self.answer_once(self.prepare)

    def prepare(self) -> Callable[[], Answer]:
        result = self.mail()
        said = Correction(**FeedbackSerializer.validated(self.request.data))
        if said == NOTHING:
            raise Refused("Say something about the verdict.", code="required")

        def work() -> Answer:
            kept = review.correct(result, said, by=str(self.api_key), at=timezone.now())
            return Answer(CREATED, KeptFeedbackSerializer(kept).data)

        return work


@extend_schema(tags=["triage"])
class ReplyView(IdempotentMixin, OwnModeMixin, APIView):
    """The answer to a mail."""

    write_scope = "triage:process"

    def check_permissions(self, request: Request) -> None:
        """It sends mail, so a key must be allowed that, too."""
        super().check_permissions(request)
        if not self.api_key.allows("emails:send"):
            self.permission_denied(request, message=HasScope.message)

    @extend_schema(
        operation_id="emails_reply",
        summary="Answer a mail in its thread",
        description=(
            "Sends the suggestion, or what was made of it, to the sender of the mail alone: to "
            "its From, or where nobody reads there (`no-reply@`, a contact form's account) to its "
            "Reply-To. Needs the scope `emails:send` as well. A body of "
            "your own may be sent before there is a verdict; without one and without a "
            "suggestion: 422. A second answer, and one to a conversation that was answered "
            "since the mail came: 409, and nothing is sent."
        ),
        parameters=[EMAIL_ID],
        request=ReplySerializer,
        responses={202: AcceptedSerializer},
        examples=[
            OpenApiExample("An edited suggestion", REPLY, request_only=True),
            OpenApiExample("Queued", QUEUED, response_only=True, status_codes=["202"]),
        ],
    )
    def post(self, request: Request, email_id: str) -> Response:
        return self.answer_once(self.prepare)

    def prepare(self) -> Callable[[], Answer]:
        result = self.mail()
        given = ReplySerializer.validated(self.request.data)
        reply = Reply(
            body=given.get("body") or result.suggested_body,
            subject=given.get("subject", ""),
            account=given.get("from_account"),
        )

        def work() -> Answer:
            email = review.answer(result, reply, by=str(self.api_key), at=timezone.now())
            return Answer(ACCEPTED, shared(AcceptedSerializer).to_representation(email))

        return work
