"""The admin's look: titles, navigation and the start page."""

UNFOLD = {
    "SITE_TITLE": "SendCraft",
    "SITE_HEADER": "SendCraft",
    "SITE_SYMBOL": "forward_to_inbox",
    "SHOW_HISTORY": True,
    "SHOW_LANGUAGES": True,
    "DASHBOARD_CALLBACK": "sendcraft_project.dashboard.today",
    "SIDEBAR": {"show_search": True, "navigation": "sendcraft_project.navigation.sidebar"},
}
