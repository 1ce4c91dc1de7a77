from importlib import import_module

from django.apps import AppConfig
from django.core import checks
from django.utils.translation import gettext_lazy as _

from ai_triage.checks import check_providers


class TriageConfig(AppConfig):
    name = "ai_triage"
    verbose_name = _("Triage")

    def ready(self) -> None:
        checks.register(check_providers)
        import_module("ai_triage.receivers")
