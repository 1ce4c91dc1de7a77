"""Mails as servers and people send them, in the forms of their programs."""

from __future__ import annotations

from email.message import EmailMessage


def a_mail(body: str = "Where is my order?", **headers: str) -> bytes:
    """A mail from Ana to the shop; a header given as None is left out."""
    fields = {
        "From": "Ana <ana@example.com>",
        "To": "orders@shop.test",
        "Subject": "My order",
        "Date": "Thu, 15 Jan 2026 10:30:00 +0000",
        "Message-ID": "<q1@example.com>",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([*lines, "", body]).encode()


def a_report(
    *, returned: str, groups: list[dict[str, str]], prose: str = "It failed.", **headers: str
) -> bytes:
    """A delivery report (RFC 3464) on the message whose header is ``returned``."""
    status = "\r\n\r\n".join(
        "\r\n".join(f"{name}: {value}" for name, value in group.items())
        for group in [{"Reporting-MTA": "dns; mx.example.com"}, *groups]
    )
    body = "\r\n".join(
        [
            "--r", "Content-Type: text/plain", "", prose, "",
            "--r", "Content-Type: message/delivery-status", "", status, "",
            "--r", "Content-Type: text/rfc822-headers", "", returned, "",
            "--r--", "",
        ]
    )  # fmt: skip
    fields = {
        "Return-Path": "<>",
        "From": "MAILER-DAEMON@mx.example.com (Mail Delivery System)",
        "Subject": "Undelivered Mail Returned to Sender",
        "Message-ID": "<report1@mx.example.com>",
        "MIME-Version": "1.0",
        "Content-Type": 'multipart/report; report-type=delivery-status; boundary="r"',
    }
    return a_mail(body, **(fields | headers))


def a_bounce_of(
    message_id: str, *, recipient: str = "ana@example.com", status: str = "5.1.1", **fields: str
) -> bytes:
    group = {
        "Final-Recipient": f"rfc822; {recipient}",
        "Action": "failed",
        "Status": status,
        "Diagnostic-Code": f"smtp; 550 {status} User unknown",
    } | {name.replace("_", "-"): value for name, value in fields.items()}
    return a_report(returned=f"Message-ID: {message_id}\r\nTo: {recipient}", groups=[group])


def a_complaint_of(message_id: str, *, feedback: str, to: str = "ana@example.com") -> bytes:
    """A complaint (RFC 5965) with the fields ``feedback``."""
    body = (
        "--r\r\nContent-Type: text/plain\r\n\r\nThis is an abuse report.\r\n"
        f"--r\r\nContent-Type: message/feedback-report\r\n\r\n{feedback}\r\n"
        "--r\r\nContent-Type: message/rfc822\r\n\r\n"
        f"From: orders@shop.test\r\nTo: {to}\r\nMessage-ID: {message_id}\r\n\r\nHi\r\n--r--\r\n"
    )
    return a_mail(
        body,
        From="fbl@provider.example",
        Message_ID="<complaint1@provider.example>",
        Content_Type="multipart/report; report-type=feedback-report; boundary=r",
    )


def with_files(*files: tuple[str, str, bytes], html: str | None = None) -> bytes:
    """A mail as Python's own library builds it: another program than the reader."""
    mail = EmailMessage()
    mail["From"], mail["To"] = "Ana <ana@example.com>", "orders@shop.test"
    mail["Subject"], mail["Message-ID"] = "Olá, a fatura", "<files@example.com>"
    mail.set_content("Segue a fatura.\n")
    if html is not None:
        mail.add_alternative(html, subtype="html")
    for name, content_type, data in files:
        maintype, _, subtype = content_type.partition("/")
        mail.add_attachment(data, maintype=maintype, subtype=subtype, filename=name)
    return mail.as_bytes()
