"""The admin's look: titles, navigation and the start page."""

from __future__ import annotations

from typing import Any

from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def link(title: Any, icon: str, name: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{name}_changelist")}


UNFOLD = {
    "SITE_TITLE": "SendCraft",
    "SITE_HEADER": "SendCraft",
    "SITE_SYMBOL": "forward_to_inbox",
    "SHOW_HISTORY": True,
    "SHOW_LANGUAGES": True,
    "DASHBOARD_CALLBACK": "sendcraft_project.dashboard.today",
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {
                "title": _("Mail"),
                "items": [
                    link(_("Messages"), "mail", "logs_emaillog"),
                    link(_("Batches"), "stacked_email", "delivery_sendbatch"),
                    link(_("Suppressions"), "block", "delivery_suppression"),
                    link(_("Caught mail"), "inbox", "catcher_caughtmail"),
                ],
            },
            {
                "title": _("Set-up"),
                "items": [
                    link(_("Domains"), "dns", "domains_domain"),
                    link(_("Accounts"), "outgoing_mail", "accounts_emailaccount"),
                    link(_("Templates"), "draft", "templates_app_emailtemplate"),
                    link(_("API keys"), "key", "tenants_apikey"),
                ],
            },
            {
                "title": _("People"),
                "items": [
                    link(_("Tenants"), "apartment", "tenants_tenant"),
                    link(_("Members"), "group", "tenants_membership"),
                    {
                        "title": _("Users"),
                        "icon": "person",
                        "link": reverse_lazy("admin:auth_user_changelist"),
                        "permission": lambda request: request.user.is_superuser,
                    },
                ],
            },
        ],
    },
}
