"""Celery shells."""

from __future__ import annotations

from celery import shared_task

from ai_triage import jobs


@shared_task(name="ai_triage.drain", ignore_result=True)
def drain() -> None:
    """Judge the mail whose turn it is."""
    jobs.drain()


@shared_task(name="ai_triage.sweep", ignore_result=True)
def sweep() -> None:
    """Ring where mail waits or lost its worker."""
    jobs.sweep()


@shared_task(name="ai_triage.answer_due", ignore_result=True)
def answer_due() -> None:
    """Answer by rule what no person has to see."""
    jobs.answer_due()
