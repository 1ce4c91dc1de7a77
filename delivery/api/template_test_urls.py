"""The path under ``/api/v1/templates`` that sends."""

from __future__ import annotations

from django.urls import path

from delivery.api.template_tests import TemplateTestView

urlpatterns = [
    path("templates/<str:ref>/test", TemplateTestView.as_view(), name="template-test"),
]
