"""What to do about a finding, in words for people who don't run name servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from collections.abc import Mapping

# Findings are stored by their code, so that each reader gets them in the own language.
_TEXTS = {
    "dns_timeout": _(
        "The name servers for “%(name)s” did not answer in time, so this could not be checked. "
        "Try again in a few minutes."
    ),
    "dns_failed": _(
        "The name servers for “%(name)s” answered with an error, so this could not be checked. "
        "Try again later; if it stays like this, ask whoever runs your DNS."
    ),
    "doubled_name": _(
        "The record was published as “%(doubled)s”: your DNS provider adds the domain by itself. "
        "Enter the name there without the domain at its end, so that it becomes “%(name)s”."
    ),
    "spf_missing": _(
        "Publish this TXT record at “%(name)s”. Without it receivers can't tell that your mail "
        "comes from you, and it often ends as spam."
    ),
    "spf_several": _(
        "There is more than one SPF record, and receivers then ignore all of them. Delete them "
        "and publish this single one, which joins them."
    ),
    "spf_start": _(
        "There is a record that looks like SPF, but it does not begin with exactly “v=spf1 ”. "
        "Replace it with this one, without quotation marks."
    ),
    "spf_syntax": _(
        "Receivers can't read the SPF record because of “%(term)s” and ignore all of it. "
        "Replace the record with this one."
    ),
    "spf_too_many": _(
        "The SPF record leads to more than 10 DNS look-ups, the most that receivers make. Remove "
        "the “include” entries of services that no longer send your mail."
    ),
    "spf_included": _(
        "The SPF record refers to “%(name)s”, which has no valid SPF record, so receivers ignore "
        "yours too. Correct or remove that entry."
    ),
    "spf_allows_all": _(
        "The SPF record allows the whole internet to send in your name. Replace it with this one."
    ),
    "spf_provider": _(
        "You send through %(host)s, but the SPF record does not allow it. Add “%(mechanism)s” "
        "as shown."
    ),
    "spf_host": _(
        "You send through %(host)s, but the SPF record does not name it. If that server delivers "
        "your mail itself, add “%(mechanism)s” as shown; else ask its operator which entry to add."
    ),
    "spf_host_unknown": _(
        "Whether the SPF record allows %(host)s could not be found out, because name servers did "
        "not answer. Try again in a few minutes."
    ),
    "spf_no_end": _(
        "The SPF record does not say what to do with mail from other servers. End it with “~all” "
        "as shown."
    ),
    "dkim_no_key": _("This domain has no DKIM key yet."),
    "dkim_missing": _(
        "Publish this TXT record at “%(name)s”, in one line and without spaces in the key. "
        "Until then your mail is sent without this signature."
    ),
    "dkim_several": _(
        "There are several TXT records at “%(name)s”; receivers may pick any of them. Delete all "
        "but this one."
    ),
    "dkim_malformed": _(
        "The record is no valid DKIM record. Replace it with this one, without quotation marks "
        "or backslashes."
    ),
    "dkim_revoked": _(
        "The record has an empty key, which tells receivers to refuse our signatures. Replace it "
        "with this one."
    ),
    "dkim_cut_off": _(
        "The published key is cut off. If your DNS provider limits the length of a text, enter "
        "the record as several texts of up to 255 characters in the same record."
    ),
    "dkim_other_key": _(
        "The published key is not the one we sign with, so receivers refuse the signature. "
        "Replace the record with this one."
    ),
    "dkim_testing": _(
        "The record says “t=y”: receivers treat the signature as a test. Remove that part when "
        "you are done testing."
    ),
    "dmarc_missing": _(
        "Publish this TXT record at “%(name)s”, once SPF and DKIM are in order. If other systems "
        "send mail for this domain too, begin with “p=none” and watch that their mail passes."
    ),
    "dmarc_several": _(
        "There is more than one DMARC record at “%(name)s”, and receivers then ignore all of "
        "them. Keep only this one."
    ),
    "dmarc_malformed": _(
        "Receivers can't read the DMARC record. Replace it with this one; it begins with "
        "“v=DMARC1” and has no quotation marks."
    ),
    "dmarc_policy": _(
        "The DMARC record has the policy “%(policy)s”, but only none, quarantine and reject "
        "exist. Replace it with this one."
    ),
    "dmarc_none": _(
        "With “p=none” receivers deliver forged mail in your name all the same. Once SPF and DKIM "
        "are in order, publish this record."
    ),
    "dmarc_rua": _(
        "Reports can't be sent to “%(value)s”. Write addresses like “mailto:dmarc@example.com”, "
        "with commas between them, or leave “rua” out."
    ),
    "mx_missing": _(
        "The domain has no MX record, so replies and bounces may not reach you, and some receivers "
        "refuse its mail. Ask the company that runs your mailboxes for the record to publish; it "
        "looks like this one."
    ),
    "mx_null": _(
        "The domain says that it takes no mail (a null MX), so nobody can reply, bounces are lost, "
        "and some receivers refuse its mail. If that is meant, leave it."
    ),
    "mx_not_a_name": _(
        "The MX record names “%(host)s”, but it has to be the name of a mail server, not an "
        "address."
    ),
    "mx_alias": _(
        "The mail server “%(host)s” is only an alias (CNAME), which an MX record must not name. "
        "Name the server that the alias stands for."
    ),
    "mx_no_address": _(
        "The mail server “%(host)s” does not exist in the DNS. Correct its name in the MX record, "
        "or publish its address."
    ),
}


def advise(code: str, *, params: Mapping[str, str]) -> str:
    """Return the advice ``code`` in the active language; of an unknown code, the code."""
    text = _TEXTS.get(code)
    return str(text) % params if text else code
