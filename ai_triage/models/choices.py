"""The closed lists of triage as the admin shows them."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ai_triage.kinds import Decision, EmailType, Tone, Urgency

DECISIONS = [(Decision.RESPOND, _("respond")), (Decision.IGNORE, _("ignore"))]
EMAIL_TYPES = [
    (EmailType.QUESTION, _("question")),
    (EmailType.COMPLAINT, pgettext_lazy("type of mail", "complaint")),
    (EmailType.REQUEST, _("request")),
    (EmailType.SPAM, _("spam")),
    (EmailType.NEWSLETTER, _("newsletter")),
    (EmailType.AUTO_REPLY, _("automatic reply")),
    (EmailType.OTHER, _("other")),
]
URGENCIES = [(Urgency.HIGH, _("high")), (Urgency.MEDIUM, _("medium")), (Urgency.LOW, _("low"))]
TONES = [
    (Tone.FORMAL, _("formal")),
    (Tone.INFORMAL, _("informal")),
    (Tone.FRIENDLY, _("friendly")),
    (Tone.PROFESSIONAL, _("professional")),
]
