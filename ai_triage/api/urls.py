"""This app's paths under ``/api/v1/``."""

from __future__ import annotations

from django.urls import path

from ai_triage.api import analytics, prompts, review, views

urlpatterns = [
    path("emails/process", views.ProcessView.as_view(), name="emails-process"),
    path("emails/process-batch", views.ProcessBatchView.as_view(), name="emails-process-batch"),
    path("emails", views.EmailViewSet.as_view({"get": "list"}), name="emails"),
    # An id may hold slashes, so what hangs below it comes first.
    path("emails/<path:email_id>/status", views.StatusView.as_view(), name="email-status"),
    path("emails/<path:email_id>/feedback", review.FeedbackView.as_view(), name="email-feedback"),
    path("emails/<path:email_id>/reply", review.ReplyView.as_view(), name="email-reply"),
    path("emails/<path:email_id>", views.EmailViewSet.as_view({"get": "retrieve"}), name="email"),
    path("prompts", prompts.PromptViewSet.as_view({"get": "list", "post": "create"})),
    path("prompts/current", prompts.PromptViewSet.as_view({"get": "current"})),
    path(
        "prompts/<str:ref>",
        prompts.PromptViewSet.as_view(
            {
                "get": "retrieve",
                "put": "update",
                "patch": "partial_update",
                "delete": "destroy",
            }
        ),
    ),
    path("prompts/<str:ref>/activate", prompts.PromptViewSet.as_view({"post": "activate"})),
    path("prompts/<str:ref>/versions", prompts.VersionViewSet.as_view({"get": "list"})),
    path("analytics/summary", analytics.SummaryView.as_view(), name="analytics-summary"),
]
