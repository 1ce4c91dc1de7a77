"""Triage in rows: settings, prompts, results with what people said of them, figures."""

from ai_triage.models.figures import EvaluationRun, TriageAnalytics
from ai_triage.models.prompts import Experiment, Prompt, PromptQuerySet, PromptVersion, Tryout
from ai_triage.models.results import (
    Action,
    Draft,
    Feedback,
    ReviewReason,
    Status,
    TriageResult,
    TriageResultQuerySet,
)
from ai_triage.models.settings import AutoReplyRule, Snippet, SnippetQuerySet, TriageSettings

__all__ = [
    "Action",
    "AutoReplyRule",
    "Draft",
    "EvaluationRun",
    "Experiment",
    "Feedback",
    "Prompt",
    "PromptQuerySet",
    "PromptVersion",
    "ReviewReason",
    "Snippet",
    "SnippetQuerySet",
    "Status",
    "TriageAnalytics",
    "TriageResult",
    "TriageResultQuerySet",
    "TriageSettings",
    "Tryout",
]
