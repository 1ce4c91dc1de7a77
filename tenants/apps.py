from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TenantsConfig(AppConfig):
    name = "tenants"
    verbose_name = _("People and keys")

    def ready(self) -> None:
        import_module("tenants.api.schema")  # drf-spectacular finds its extensions when imported
