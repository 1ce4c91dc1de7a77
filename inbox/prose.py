"""Bounces that mail servers write in prose, in whatever words: there are more than sixty kinds.

A mail is read as one only where it also comes as they do: from a mail system's address, from
nobody, or with a header that only they write. A person may quote such a text.
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import replace

from inbox import words
from inbox.automatic import local_part, null_return_path
from inbox.kinds import Kind
from inbox.mime import Part
from inbox.reading import Mail
from inbox.reports import (
    MAX_REASON,
    STATUS_CODE,
    Affected,
    Report,
    bounce_type,
    code_in,
    is_specific,
    read_attached_report,
    read_report,
    returned_ids,
    telling_part,
)

MOST_TEXT = 64 * 1024
MAX_RECIPIENTS = 100
MAX_ADDRESS = 320
NEAR = 400

# Nobody but a mail system writes from these …
_SYSTEM = re.compile(
    r"mailer[-_.]?daemon|mail[-_.]?daemon|m[-_.]?daemon|microsoftexchange[0-9a-f]{8,64}|imss"
    r"|mail[-_.]?delivery[-_.]?(system|subsystem|service)|e500_smtp_mail_service"
    r"|(symantec|mcafee|trend|interscan)\w{0,20}_for_smtp\w{0,20}|smtp[-_.]?gateway",
    re.IGNORECASE,
)
# … and mostly from these, if the subject says so too.
_BARE_SYSTEM = re.compile(r"<?mailer-daemon>?\s*$", re.IGNORECASE)
_LIKELY = re.compile(r"post[-_.]?master|bounces?|ndr|no-?reply|mailer|mail-?system|", re.IGNORECASE)
_SUBJECT = re.compile(
    r"^\W{0,5}(\[[^\]]{1,40}\] ?)?(notice: )?(undeliver(able|ed)|non.?deliver"
    r"|failure (notice|delivery)"
    r"|(e?mail )?delivery (failed|failure|subsystem|system|problem|warning|error|incomplete)"
    r"|(auto-?reply: )?(mail |message )?delivery (status )?(notification|report|has failed)"
    r"|(message|mail) (status|could not be deliver|not deliver|delivery|system error|failure)"
    r"|(email )?delivery failure|returned (to sender|mail)|mail failed|failed mail|rejected"
    r"|automatically rejected|could not deliver|unable to deliver|unzustellbar|nicht zustellbar"
    r"|n[ãa]o (foi )?entreg(ue|a)|n[ãa]o entreg|falha na entrega|devolu[çc][ãa]o|mensagem n[ãa]o"
    r"|no se puede entregar|no entregado|error de entrega|non remis|[ée]chec de (la )?remise"
    r"|message non distribu|mancato recapito|warning: (message|could not send)|delayed mail"
    r"|permanent delivery failure|processing error|ваше сообщение не доставлено"
    r"|недоставленное сообщение|(メール|配信)エラー)",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"this is the qmail-send program|this is a permanent error|mail system at host"
    r"|(could|can|would|was|were|has|have)( ?not|n't)( been| be)? (delivered|deliverable|deliver)"
    r"|(could|can)( ?not|n't) deliver|not able to deliver|(has|was) not delivered"
    r"|delivery (to the following recipients? )?(has )?(been )?(failed|aborted|failure)"
    r"|del[ei]very to the following recipients? (was|failed)|delivery has failed"
    r"|address not found|unable to deliver|permanent(ly)? (fatal )?(delivery )?(errors?|fail)"
    r"|undeliver(able|ed)|returned to sender|did not (reach|receive)|not delivered to"
    r"|(delivery|fatal) (problems|errors)|error has occurred while attempting to deliver"
    r"|failed (recipients?|addresses)|was (automatically )?rejected"
    r"|has been returned|mail delivery failed|is not accepted|recipients? (refused|rejected)"
    r"|n[ãa]o (foi poss[íi]vel entregar|p[ôo]de ser entregue|p[ôo]de entregar)"
    r"|no se (ha podido|pudo|puede) entregar|konnten? nicht (zugestellt|[üu]bermittelt) werden"
    r"|n'a pas pu [êe]tre (remis|livr|distribu|d[ée]livr)|non [èe] stato possibile (consegnare)?"
    r"|не может быть доставлено|невозможно доставить|无法发送|无法投递"
    r"|配信できません|送信できません|送信に失敗",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"(has not yet been|not been) delivered .{0,80}(yet|still|but)|has not yet been delivered"
    r"|will (continue|keep) (to try|trying)|will be (retried|re-?attempted)|still trying"
    r"|delivery (is |has been )?(delayed|postponed)|has been (delayed|postponed)"
    r"|(delivery )?attempts will continue|delivery incomplete|warning message only"
    r"|this is (only )?a warning|transient non-fatal errors|no action is required",
    re.IGNORECASE,
)
_RETURNED_ID = re.compile(r"^[> \t]{0,8}Message-I[Dd]:[ \t]{0,8}(<[^<>\s]{1,996}>)", re.MULTILINE)
# What follows is the message that comes back: a line that says so, or its header's first field.
_RETURNED_COPY = re.compile(
    r"^[-=*|\s>]{0,80}((here|this|below this line|below the next line) is a copy"
    r"|[-\s]{0,10}(original|returned|unsent|old) (message|mail)\b|original message headers"
    r"|(start of )?returned message|returned mail|unsent message below"
    r"|message (text|header) follows|(the )?(header and top|first) \d{1,4} lines"
    r"|the following is a copy|your (original )?message (reads|follows|is attached))"
    r"|^>?[ \t]?(Received|Return-Path|DKIM-Signature|MIME-Version|X-[\w-]{2,40}):",
    re.IGNORECASE | re.MULTILINE,
)
# After these words, addresses are those that failed; what stands before names who wrote to whom.
_INTRODUCTION = re.compile(
    r"did not (reach|receive).{0,40}|(the|these|following|intended|failed|this)\s(e-?mail\s)?"
    r"(recipient|address(ee)?)(\(?e?s\)?)?\b.{0,60}|not? (be(en)? )?delivered to.{0,40}"
    r"|message to |unable to deliver (your )?(message|mail)? ?to |addressed to "
    r"|fatal errors.{0,20}",
    re.IGNORECASE,
)
_LOCAL = r"[^\s@<>(),;:\"'\[\]=*]{1,64}"
_DOMAIN = r"[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){1,8}"
_LINE_ADDRESS = re.compile(
    rf"^[ \t*>•|-]{{0,12}}(?:[A-Za-z][A-Za-z -]{{0,30}}:[ \t]{{0,8}})?[\[<\"']{{0,2}}(?:smtp[:=])?"
    rf"({_LOCAL}@{_DOMAIN})(?:[\]>\"']{{0,2}}[.:,;]?[ \t]{{0,8}}(?:$|[ \t(:;,.]))",
    re.IGNORECASE | re.MULTILINE,
)
_ANY_ADDRESS = re.compile(rf"(?:smtp=)?({_LOCAL}@{_DOMAIN})", re.IGNORECASE)
# An alias that led to the address which failed: mostly the one that we wrote to.
_ALIAS = re.compile(
    rf"\((?:originally addressed to|expanded from|(?:ultimately )?generated from):?\s{{1,4}}<?"
    rf"({_LOCAL}@{_DOMAIN})>?\)",
    re.IGNORECASE,
)
_REPLY_CODE = re.compile(r"(?<![\d.])([45])[0-9]{2}[ -]")
_NOBODY = re.compile(
    r"mailer-?daemon|postmaster|abuse|support|help(desk)?|.*-(admin|bounces|request)", re.IGNORECASE
)


def read_any(mail: Mail) -> Report | None:
    """Return the report that ``mail`` is, by its structure or else by its words.

    Some servers name the recipients in words alone though they give the rest a structure.
    """
    report = read_report(mail)
    if report is None and (_is_certain(mail) or _is_likely(mail)):
        report = read_attached_report(mail)
    if report is None:
        return read_prose(mail)
    if report.is_complaint:
        return report
    if any(affected.addresses for affected in report.affected):
        return replace(report, affected=tuple(_explained(mail, one) for one in report.affected))
    said = read_prose(mail)
    if said is None or not report.affected:
        return said or report
    first = report.affected[0]
    named = (replace(first, addresses=one.addresses) for one in said.affected)
    return replace(report, affected=tuple(named))


def _explained(mail: Mail, affected: Affected) -> Affected:
    """Judge a bounce that its own fields don't explain by what the report says in words."""
    if affected.kind is not Kind.BOUNCE or affected.reason or is_specific(affected.status_code):
        return affected
    said = _said(mail)[0]
    judged = _judged(affected.addresses, said, Kind.BOUNCE)
    code = judged.status_code or affected.status_code
    return replace(judged, status_code=code)


def read_prose(mail: Mail) -> Report | None:
    """Return the report that a mail system wrote in words, or None."""
    is_certain = _is_certain(mail)
    if not is_certain and not _is_likely(mail):
        return None
    said, text = _said(mail)
    kind = _kind(f"{mail.subject}\n{said}", is_certain=is_certain)
    if kind is None:
        return None
    ids = (*_RETURNED_ID.findall(text)[: words.MAX_IDS], *returned_ids(mail))
    return Report(kind, tuple(_affected(mail, said, kind)), tuple(dict.fromkeys(ids)))


def _said(mail: Mail) -> tuple[str, str]:
    """Return what the server says, and the same with what it gives back."""
    text = mail.text[:MOST_TEXT]
    copy = _RETURNED_COPY.search(text)
    return text[: copy.start()] if copy else text, text


def _is_certain(mail: Mail) -> bool:
    if "X-Failed-Recipients" in mail.headers:
        return True
    if mail.from_address:
        return bool(_SYSTEM.fullmatch(local_part(mail.from_address)))
    return bool(_BARE_SYSTEM.search(mail.headers.get("From")[:200]))


def _is_likely(mail: Mail) -> bool:
    """Tell whether the sender may be a mail system and more than the subject speaks for it."""
    if not _SUBJECT.search(mail.subject):
        return bool(_LIKELY.fullmatch(local_part(mail.from_address))) and _is_report_type(mail.root)
    is_known = bool(_LIKELY.fullmatch(local_part(mail.from_address)))
    return is_known or null_return_path(mail) or _is_report_type(mail.root)


def _is_report_type(root: Part) -> bool:
    return root.content_type == "multipart/report"


def _kind(text: str, *, is_certain: bool) -> Kind | None:
    if _DELAYED.search(text):
        return Kind.DELAYED
    if _FAILED.search(text):
        return Kind.BOUNCE
    code = _basic_code(text) or _code(text)
    if is_certain and code.startswith("5"):
        return Kind.BOUNCE
    return Kind.BOUNCE if telling_part(text) else None


def _affected(mail: Mail, said: str, kind: Kind) -> list[Affected]:
    """Return what became of each recipient: by the words behind its address, or else by all."""
    recipients = _recipients(mail, said)
    places = sorted((said.lower().find(one.lower()), one) for one in recipients)
    found = []
    for one in recipients:
        number = [place[1] for place in places].index(one)
        end = places[number + 1][0] if number + 1 < len(places) else len(said)
        own = said[max(places[number][0], 0) : end] if len(places) > 1 else said
        names = (one, *map(words.with_lower_domain, _ALIAS.findall(own)[:1]))
        own = own if telling_part(own) or _basic_code(own) or _code(own) else said
        found.append(_judged(names, own, kind))
    return found or [_judged((), said, kind)]


def _judged(addresses: tuple[str, ...], said: str, kind: Kind) -> Affected:
    code = _code(said)
    how = bounce_type(code or _basic_code(said), said) if kind is Kind.BOUNCE else None
    return Affected(addresses, code, how, kind, _reason(said))


def _code(text: str) -> str:
    """Return the enhanced code of a failure; others are most likely version numbers."""
    code = code_in("", text)
    return "" if code.startswith("2") else code


def _basic_code(text: str) -> str:
    """Return the class of an SMTP reply code, as the beginning of an enhanced code."""
    found = _REPLY_CODE.search(text)
    return f"{found[1]}." if found else ""


def _reason(said: str) -> str:
    """Return the line that holds a status or reply code, or says why in words."""
    for found in (STATUS_CODE.search(said), _REPLY_CODE.search(said), telling_part(said)):
        if found:
            start = said.rfind("\n", 0, found.start()) + 1
            end = said.find("\n", found.end())
            return words.one_line(said[start : len(said) if end < 0 else end])[:MAX_REASON]
    return ""


def _recipients(mail: Mail, said: str) -> list[str]:
    """Return the addresses that failed: as a header names them, or as the text lists them."""
    named = words.address_list(", ".join(mail.headers.all("X-Failed-Recipients")))
    listed = [address for address, _name in named]
    if listed:
        return list(dict.fromkeys(listed))[:MAX_RECIPIENTS]
    begun = _INTRODUCTION.search(said)
    after = said[begun.end() :] if begun else ""
    own = {mail.from_address.lower(), *(one.lower() for one in mail.to)}
    for pattern, text, most in (
        (_LINE_ADDRESS, after, MAX_RECIPIENTS),
        (_ANY_ADDRESS, after[:NEAR], 1),  # a sentence names one, and then whom to ask
        (_LINE_ADDRESS, said, MAX_RECIPIENTS),
        (_ANY_ADDRESS, said, 1),
    ):
        lowered = (words.with_lower_domain(_trimmed(one)) for one in pattern.findall(text))
        wanted = [one for one in lowered if _is_wanted(one, own=own)]
        if wanted:
            return list(dict.fromkeys(wanted))[:most]
    return []


def _trimmed(address: str) -> str:
    """Return an address without what sendmail writes behind it (``ana@example.com... unknown``)."""
    return address.partition("...")[0].rstrip(".-")


def _is_wanted(address: str, *, own: Set[str]) -> bool:
    is_nobody = address.lower() in own or _NOBODY.fullmatch(local_part(address))
    return not is_nobody and len(address) <= MAX_ADDRESS
