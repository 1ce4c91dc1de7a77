"""The admin of triage, a module for each of its parts."""

from ai_triage.admin.evaluations import EvaluationRunAdmin
from ai_triage.admin.figures import TriageAnalyticsAdmin

__all__ = ["EvaluationRunAdmin", "TriageAnalyticsAdmin"]
