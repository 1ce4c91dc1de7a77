"""Messages and what became of them, for staff."""

from logs.admin import emails, figures

__all__ = ["emails", "figures"]
