from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LogsConfig(AppConfig):
    name = "logs"
    verbose_name = _("Messages")

    def ready(self) -> None:
        import_module("logs.receivers")
        import_module("logs.changing")  # background jobs of ours
        import_module("logs.exporting")
