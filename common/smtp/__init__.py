"""An SMTP client for other people's servers: safe with passwords, bounded in time, few trips."""

from common.smtp.envelope import Envelope
from common.smtp.errors import AccountError, ConnectionFailed, Stage
from common.smtp.opening import SMTPServer, Timeouts, open_session
from common.smtp.probe import ProbeResult, probe
from common.smtp.reply import Reply
from common.smtp.session import Outcome, Phase, Receipt, SMTPSession
from common.smtp.transcript import Lines, as_text, codes_alone
from common.smtp.words import in_words

__all__ = [
    "AccountError",
    "ConnectionFailed",
    "Envelope",
    "Lines",
    "Outcome",
    "Phase",
    "ProbeResult",
    "Receipt",
    "Reply",
    "SMTPServer",
    "SMTPSession",
    "Stage",
    "Timeouts",
    "as_text",
    "codes_alone",
    "in_words",
    "open_session",
    "probe",
]
