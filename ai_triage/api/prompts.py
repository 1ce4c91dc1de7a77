"""``/prompts``: what the model is told, with every version of it."""

from __future__ import annotations

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django_filters import CharFilter, FilterSet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.filters import SearchFilter
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from ai_triage import prompting
from ai_triage.api import prompts_json as examples
from ai_triage.api.prompts_json import (
    PromptSerializer,
    PromptVersionSerializer,
    ReplacedPromptSerializer,
)
from ai_triage.models import Prompt, PromptQuerySet, PromptVersion
from common.api.filters import StrictFilterBackend, StrictOrderingFilter, YesNoFilter
from tenants.api.views import TenantMixin, TenantViewSet

REF = OpenApiParameter(
    "ref", OpenApiTypes.STR, OpenApiParameter.PATH, description="The prompt's id or name."
)


class PromptFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    name = CharFilter(lookup_expr="iexact")
    active = YesNoFilter(field_name="active_for", lookup_expr="isnull", exclude=True)

    class Meta:
        model = Prompt
        fields: list[str] = []


class OfTenant(TenantMixin):
    """Finds the tenant's prompts; the first who asks gives the tenant its default one."""

    def prompts(self) -> PromptQuerySet:
        prompting.ensure_default(self.tenant)
        return Prompt.objects.for_tenant(self.tenant).select_related("tenant")

    def prompt(self) -> Prompt:
        return get_object_or_404(prompting.named(self.prompts(), self.kwargs["ref"]))


@extend_schema_view(
    list=extend_schema(summary="List prompts", examples=[examples.A_PROMPT]),
    retrieve=extend_schema(
        summary="Read a prompt", parameters=[REF], examples=[examples.THE_ACTIVE_PROMPT]
    ),
)
class PromptViewSet(OfTenant, ListModelMixin, RetrieveModelMixin, TenantViewSet[Prompt]):
    """Write prompts; each change makes a version, and one prompt judges the mail."""

    queryset = Prompt.objects.none()
    write_scope = "prompts:write"
    read_scopes = ("triage:read",)
    serializer_class = PromptSerializer
    filter_backends = (StrictFilterBackend, SearchFilter, StrictOrderingFilter)
    filterset_class = PromptFilter
    search_fields = ("name",)
    ordering_fields = ("name", "created_at", "updated_at")

    def get_queryset(self) -> QuerySet[Prompt]:
        return self.prompts().with_version()

    def get_object(self) -> Prompt:
        return self.prompt()

    @extend_schema(summary="Read the active prompt", examples=[examples.THE_ACTIVE_PROMPT])
    def current(self, request: Request) -> Response:
        return self._answer(prompting.ensure_default(self.tenant))

    @extend_schema(
        summary="Create a prompt",
        description="It is inactive until it is activated. Names differ by more than case; "
        "an id or `current` is none.",
        responses={201: PromptSerializer},
        examples=[examples.A_NEW_PROMPT, examples.A_CREATED_PROMPT],
    )
    def create(self, request: Request) -> Response:
        given = self._given(PromptSerializer)
        prompt = prompting.create(self.tenant, given.changes(), author=self.api_key.name)
        return self._answer(prompt, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Replace a prompt's text",
        description="Makes a new version, also of the same text; of the active prompt it judges "
        "the next mail. Criteria and name that are left out stay as they are.",
        parameters=[REF],
        request=ReplacedPromptSerializer,
        examples=[examples.A_NEW_TEXT, examples.A_PROMPT],
    )
    def update(self, request: Request, ref: str) -> Response:
        return self._change(ReplacedPromptSerializer)

    @extend_schema(
        summary="Change a prompt",
        description="Makes a new version as PUT does; a new name alone makes none.",
        parameters=[REF],
        examples=[examples.OTHER_CRITERIA, examples.A_PROMPT],
    )
    def partial_update(self, request: Request, ref: str) -> Response:
        return self._change(PromptSerializer, partial=True)

    @extend_schema(
        summary="Delete a prompt",
        description="With all its versions. 409 `in_use` while it is active or in a trial, and "
        "once it has judged mail.",
        parameters=[REF],
        responses={204: None},
    )
    def destroy(self, request: Request, ref: str) -> Response:
        prompting.delete(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Activate a prompt",
        description="It judges the next mail, and the one that was active no more. While a trial "
        "runs, the trial's two versions judge.",
        parameters=[REF],
        request=None,
        responses={200: PromptSerializer},
        examples=[examples.THE_ACTIVE_PROMPT],
    )
    def activate(self, request: Request, ref: str) -> Response:
        prompt = self.get_object()
        self.expect_no_fields()
        prompting.activate(prompt)
        return self._answer(prompt)

    def _given(self, kind: type[PromptSerializer], *, partial: bool = False) -> PromptSerializer:
        serializer = kind(data=self.request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        return serializer

    def _change(self, kind: type[PromptSerializer], *, partial: bool = False) -> Response:
        prompt = self.get_object()
        given = self._given(kind, partial=partial)
        prompting.change(prompt, given.changes(), author=self.api_key.name)
        return self._answer(prompt)

    def _answer(self, prompt: Prompt, *, status: int = 200) -> Response:
        return Response(PromptSerializer(prompt).data, status=status)


@extend_schema_view(
    list=extend_schema(
        operation_id="prompts_versions_list",
        summary="List a prompt's versions",
        parameters=[REF],
        examples=[examples.A_VERSION],
    ),
)
class VersionViewSet(OfTenant, ListModelMixin, TenantViewSet[PromptVersion]):
    """Look back; a version never changes."""

    queryset = PromptVersion.objects.none()
    write_scope = "prompts:write"
    read_scopes = ("triage:read",)
    serializer_class = PromptVersionSerializer
    filter_backends = (StrictFilterBackend,)

    def get_queryset(self) -> QuerySet[PromptVersion]:
        return self.prompt().versions.all()
