"""The admin of triage, a module for each of its parts."""

from ai_triage.admin import prompts, settings, trials

__all__ = ["prompts", "settings", "trials"]
