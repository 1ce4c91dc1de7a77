"""``/templates``: what messages are made from, with every version of it."""

from __future__ import annotations

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.filters import StrictFilterBackend, StrictOrderingFilter
from templates_app import services
from templates_app.api import examples
from templates_app.api.filters import TemplateFilter, TemplateSearch
from templates_app.api.serializers import (
    PreviewSerializer,
    RenderSerializer,
    TemplateSerializer,
    VersionSerializer,
)
from templates_app.models import EmailTemplate, EmailTemplateQuerySet, TemplateVersion
from tenants.api.views import TenantMixin, TenantViewSet

REF = OpenApiParameter(
    "ref", OpenApiTypes.STR, OpenApiParameter.PATH, description="The template's id or slug."
)
NUMBER = OpenApiParameter(
    "number", OpenApiTypes.INT, OpenApiParameter.PATH, description="The version's number."
)


class OfTenant(TenantMixin):
    """Finds the tenant's template that the path names, and who changes it."""

    def templates(self) -> EmailTemplateQuerySet:
        templates = EmailTemplate.objects.for_tenant(self.tenant)
        return templates.select_related("default_account", "tenant")

    def template(self, ref: str) -> EmailTemplate:
        return get_object_or_404(self.templates().named(ref))

    @property
    def author(self) -> services.Author:
        return services.Author.of_key(self.api_key)


@extend_schema_view(
    list=extend_schema(summary="List templates", examples=[examples.A_TEMPLATE]),
    retrieve=extend_schema(
        summary="Read a template", parameters=[REF], examples=[examples.A_TEMPLATE]
    ),
)
class TemplateViewSet(OfTenant, ListModelMixin, RetrieveModelMixin, TenantViewSet[EmailTemplate]):
    """Write templates; each change of what is sent makes a version."""

    queryset = EmailTemplate.objects.none()
    write_scope = "templates:write"
    serializer_class = TemplateSerializer
    filter_backends = (StrictFilterBackend, TemplateSearch, StrictOrderingFilter)
    filterset_class = TemplateFilter
    ordering_fields = ("name", "created_at", "updated_at", "usage_count")

    def get_queryset(self) -> QuerySet[EmailTemplate]:
        return self.templates()

    def get_object(self) -> EmailTemplate:
        return self.template(self.kwargs["ref"])

    @extend_schema(
        summary="Create a template",
        description="A template that can't be rendered is a 422 `template_error` with its line.",
        responses={201: TemplateSerializer},
        examples=[examples.A_NEW_TEMPLATE, examples.A_CREATED_TEMPLATE],
    )
    def create(self, request: Request) -> Response:
        template = services.create_template(
            tenant=self.tenant, author=self.author, fields=self.given()
        )
        return self._answer(template, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Replace a template",
        description="What is left out stays as it is. A change of subject, HTML or MJML, its "
        "format or text makes a new version; 409 when somebody made one at the same moment.",
        parameters=[REF],
        examples=[examples.A_NEW_TEMPLATE, examples.A_TEMPLATE],
    )
    def update(self, request: Request, ref: str) -> Response:
        return self._change()

    @extend_schema(
        summary="Change a template",
        description="A change of subject, HTML or MJML, its format or text makes a new version; "
        "409 when somebody made one at the same moment.",
        parameters=[REF],
        examples=[examples.A_NEW_SUBJECT, examples.A_TEMPLATE],
    )
    def partial_update(self, request: Request, ref: str) -> Response:
        return self._change(partial=True)

    @extend_schema(
        summary="Delete a template",
        description="With all its versions. 409 `in_use` while messages refer to it: deactivate "
        "it then.",
        parameters=[REF],
        responses={204: None},
    )
    def destroy(self, request: Request, ref: str) -> Response:
        services.delete_template(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Render a template",
        description="Shows the message for some variables; nothing is sent. Variables that the "
        "template needs and that are missing are listed and print nothing.",
        parameters=[REF],
        request=RenderSerializer,
        responses={200: PreviewSerializer},
        examples=[examples.SOME_VARIABLES, examples.A_PREVIEW],
    )
    def render(self, request: Request, ref: str) -> Response:
        template = self.get_object()
        serializer = RenderSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        preview = services.preview(
            template.current,
            variables=serializer.validated_data.get("variables", {}),
            language=self.tenant.language,
        )
        return Response(PreviewSerializer(preview).data)

    def _change(self, *, partial: bool = False) -> Response:
        template = self.get_object()
        changes = self.given(partial=partial)
        changed = services.update_template(template, author=self.author, changes=changes)
        return self._answer(changed)

    def _answer(self, template: EmailTemplate, *, status: int = 200) -> Response:
        return Response(self.get_serializer(template).data, status=status)


@extend_schema_view(
    list=extend_schema(
        operation_id="templates_versions_list",
        summary="List a template's versions",
        parameters=[REF],
        examples=[examples.A_VERSION],
    ),
)
class VersionViewSet(OfTenant, ListModelMixin, TenantViewSet[TemplateVersion]):
    """Look back and go back; a version never changes."""

    queryset = TemplateVersion.objects.none()
    write_scope = "templates:write"
    serializer_class = VersionSerializer
    filter_backends = (StrictFilterBackend,)

    def get_queryset(self) -> QuerySet[TemplateVersion]:
        return self.template(self.kwargs["ref"]).versions.defer(
            "compiled_subject", "compiled_html", "compiled_text", "variables", "needs"
        )

    @extend_schema(
        operation_id="templates_versions_restore",
        summary="Restore a version",
        description="Makes a new version with the content of an old one; restoring the current "
        "one changes nothing.",
        parameters=[REF, NUMBER],
        request=None,
        responses={200: TemplateSerializer},
        examples=[examples.A_TEMPLATE],
    )
    def restore(self, request: Request, ref: str, number: int) -> Response:
        versions = self.template(ref).versions.select_related("template__tenant")
        version = get_object_or_404(versions, number=number)
        self.expect_no_fields()
        template = services.restore_version(version, author=self.author)
        return Response(TemplateSerializer(template).data)
