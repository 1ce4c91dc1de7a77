"""The admin of triage, a module for each of its parts."""

from ai_triage.admin import evaluations, figures, prompts, review, settings, trials

__all__ = ["evaluations", "figures", "prompts", "review", "settings", "trials"]
