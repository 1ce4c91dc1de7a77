"""The admin of triage, a module for each of its parts."""

from ai_triage.admin.review import ReviewAdmin

__all__ = ["ReviewAdmin"]
