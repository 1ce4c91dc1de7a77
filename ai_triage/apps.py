from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TriageConfig(AppConfig):
    name = "ai_triage"
    verbose_name = _("Triage")

    def ready(self) -> None:
        import_module("ai_triage.receivers")
