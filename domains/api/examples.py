"""Requests and answers that the API's documentation shows."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample

RECORD = "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA…"
UNCHECKED = {
    "id": 1,
    "name": "alitools.pt",
    "description": "The shop",
    "is_active": True,
    "tracking_host": "",
    "dns": None,
    "dkim_selector": "sendcraft-rsa",
    "dkim_record": RECORD,
    "created_at": "2026-01-15T10:30:00Z",
    "updated_at": "2026-01-15T10:30:00Z",
}
SPF = {
    "type": "TXT",
    "name": "alitools.pt",
    "wanted": "v=spf1 mx ~all",
    "found": [],
    "verdict": "missing",
    "advice": "Publish this TXT record at “alitools.pt”. Without it receivers can't tell that "
    "your mail comes from you, and it often ends as spam.",
    "codes": ["spf_missing"],
}
DKIM_KEY = {
    "type": "TXT",
    "name": "sendcraft-rsa._domainkey.alitools.pt",
    "wanted": RECORD,
    "found": [RECORD],
    "verdict": "ok",
    "advice": "",
    "codes": [],
    "selector": "sendcraft-rsa",
}
DMARC = {
    "type": "TXT",
    "name": "_dmarc.alitools.pt",
    "wanted": "v=DMARC1; p=quarantine",
    "found": ["v=DMARC1; p=quarantine"],
    "verdict": "ok",
    "advice": "",
    "codes": [],
}
MX = {
    "type": "MX",
    "name": "alitools.pt",
    "wanted": "10 mx.alitools.pt",
    "found": ["10 mx.alitools.pt"],
    "verdict": "ok",
    "advice": "",
    "codes": [],
}
CHECKED = {
    **UNCHECKED,
    "dns": {
        "checked_at": "2026-01-15T10:31:00Z",
        "spf": SPF,
        "dkim": {**DKIM_KEY, "keys": [DKIM_KEY]},
        "dmarc": DMARC,
        "mx": MX,
    },
}

A_NEW_DOMAIN = OpenApiExample(
    "A new domain",
    {"name": "alitools.pt", "description": "The shop"},
    request_only=True,
)
A_REPLACEMENT = OpenApiExample(
    "All that can change",
    {
        "name": "alitools.pt",
        "description": "The shop",
        "is_active": True,
        "tracking_host": "links.alitools.pt",
    },
    request_only=True,
)
A_CHANGE = OpenApiExample("Nothing more from here", {"is_active": False}, request_only=True)
A_DOMAIN = OpenApiExample("Not checked yet", UNCHECKED, response_only=True)
A_CHECKED_DOMAIN = OpenApiExample("SPF is missing", CHECKED, response_only=True)
