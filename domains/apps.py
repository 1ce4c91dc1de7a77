from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DomainsConfig(AppConfig):
    name = "domains"
    verbose_name = _("Domains")

    def ready(self) -> None:
        import_module("domains.many")  # a background job of ours
