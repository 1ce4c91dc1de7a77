"""The admin's look: titles, styles, navigation and the start page."""

from django.templatetags.static import static

UNFOLD = {
    "SITE_TITLE": "SendCraft",
    "SITE_HEADER": "SendCraft",
    "SITE_SYMBOL": "forward_to_inbox",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda _request: static("delivery/icon.svg"),
        }
    ],
    "STYLES": [lambda _request: static("sendcraft/admin.css")],
    "SCRIPTS": [lambda _request: static("sendcraft/admin.js")],
    "SHOW_HISTORY": True,
    "SHOW_LANGUAGES": True,
    "DASHBOARD_CALLBACK": "sendcraft_project.dashboard.today",
    "ACCOUNT": {"navigation": "sendcraft_project.navigation.account"},
    "SIDEBAR": {"show_search": True, "navigation": "sendcraft_project.navigation.sidebar"},
}
