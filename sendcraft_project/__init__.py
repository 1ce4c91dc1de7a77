"""Settings, URLs, Celery and health; it knows every app, no app knows it."""

from sendcraft_project.celery import app as celery_app

__all__ = ["celery_app"]
