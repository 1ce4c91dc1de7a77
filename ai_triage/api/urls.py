"""This app's paths under ``/api/v1/``."""

from __future__ import annotations

from django.urls import path

from ai_triage.api import review, views

urlpatterns = [
    path("emails/process", views.ProcessView.as_view(), name="emails-process"),
    path("emails/process-batch", views.ProcessBatchView.as_view(), name="emails-process-batch"),
    path("emails", views.EmailViewSet.as_view({"get": "list"}), name="emails"),
    # An id may hold slashes, so what hangs below it comes first.
    path("emails/<path:email_id>/status", views.StatusView.as_view(), name="email-status"),
    path("emails/<path:email_id>/feedback", review.FeedbackView.as_view(), name="email-feedback"),
    path("emails/<path:email_id>/reply", review.ReplyView.as_view(), name="email-reply"),
    path("emails/<path:email_id>", views.EmailViewSet.as_view({"get": "retrieve"}), name="email"),
]
