"""Where everything is reached."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView

from sendcraft_project import dashboard, health, views
from sendcraft_project.metrics import metrics

api: list[URLPattern | URLResolver] = [
    path("", include("domains.api.urls")),
    path("", include("accounts.api.urls")),
    path("", include("templates_app.api.urls")),
    path("", include("logs.api.urls")),
    path("", include("delivery.api.urls")),
    path("", include("inbox.api.urls")),
    path("", include("ai_triage.api.urls")),
    path("", include("webhooks.api.urls")),
    path("health", health.HealthView.as_view(), name="health"),
    path("schema", views.SchemaView.as_view(), name="schema"),
    re_path(r"^.*$", views.NotFoundView.as_view()),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("", include("tenants.urls")),
    path("admin/", include("sendcraft_project.signin.urls")),
    path("admin/start/", dashboard.parts, name="start_parts"),
    path("admin/", admin.site.urls),
    path("api/v1/", include((api, "api"))),
    re_path(r"^api(/.*)?$", views.NotFoundView.as_view()),
    path("docs/api/", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="docs"),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("metrics", metrics, name="metrics"),
    path("favicon.ico", views.icon, name="icon"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("delivery.urls")),
]

handler404 = "sendcraft_project.views.not_found"
handler500 = "sendcraft_project.views.server_error"
handler400 = "sendcraft_project.views.bad_request"
handler403 = "sendcraft_project.views.forbidden"
