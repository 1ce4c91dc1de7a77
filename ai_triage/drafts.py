"""Drafts from templates, and the check that no draft brings a link or address of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ai_triage.kinds import EmailType, Tone, Urgency
from ai_triage.language import language_of
from ai_triage.own_words import own_words
from ai_triage.providers.base import Company, Mail, SuggestedResponse
from ai_triage.texts import reply_subject

# In the language of the mail, not of whoever reads the admin: so no gettext here.
_TEXTS = {
    "en": {
        "greeting": "Hello,",
        EmailType.QUESTION: "Thank you for your question. We are looking into it.",
        EmailType.REQUEST: "Thank you for your message. We have noted your request.",
        EmailType.COMPLAINT: "Thank you for telling us, and we are sorry for the trouble.",
        EmailType.OTHER: "Thank you for your message.",
        "urgent": "We see that this is urgent and deal with it first.",
        "next": "Next, a member of our team checks the details and writes to you with an answer. "
        "If you have anything to add, such as a number or a photo, just reply to this message.",
        "closing": "Kind regards,",
        "team": "The {name} team",
    },
    "pt-PT": {
        "greeting": "Olá,",
        EmailType.QUESTION: "Obrigado pela sua pergunta. Estamos a verificar.",
        EmailType.REQUEST: "Obrigado pela sua mensagem. Registámos o seu pedido.",
        EmailType.COMPLAINT: "Obrigado por nos ter avisado. Lamentamos o transtorno.",
        EmailType.OTHER: "Obrigado pela sua mensagem.",
        "urgent": "Vemos que é urgente e vamos tratar do assunto em primeiro lugar.",
        "next": "De seguida, a nossa equipa verifica os pormenores e escreve-lhe com uma resposta. "
        "Se quiser acrescentar algo, como um número ou uma fotografia, responda a esta mensagem.",
        "closing": "Com os melhores cumprimentos,",
        "team": "A equipa {name}",
    },
    "pt-BR": {
        "greeting": "Olá,",
        EmailType.QUESTION: "Obrigado pela sua pergunta. Estamos verificando.",
        EmailType.REQUEST: "Obrigado pela sua mensagem. Registramos a sua solicitação.",
        EmailType.COMPLAINT: "Obrigado por nos avisar. Lamentamos o transtorno.",
        EmailType.OTHER: "Obrigado pela sua mensagem.",
        "urgent": "Vemos que é urgente e vamos tratar do assunto em primeiro lugar.",
        "next": "Em seguida, nossa equipe verifica os detalhes e escreve para você com uma "
        "resposta. Para acrescentar algo, como um número ou uma foto, responda a esta mensagem.",
        "closing": "Atenciosamente,",
        "team": "Equipe {name}",
    },
}
_STRANGER = re.compile(
    r"(?:https?://|www\.)[^\s<>\"')\]]+|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"
    r"|\b(?:[a-z0-9-]{1,63}\.){1,6}(?:com|net|org|info|io|pt|br|example|top|xyz|online|site)\b(?:/\S*)?",
    re.IGNORECASE,
)


def acknowledgement(
    mail: Mail, *, email_type: EmailType, urgency: Urgency, company: Company
) -> SuggestedResponse:
    """Return a polite first answer in the mail's language; it promises nothing but a look."""
    language = language_of(
        f"{mail.subject}\n{own_words(mail.body)}", from_address=mail.from_address
    )
    texts = _TEXTS[language]
    opening = texts.get(email_type, texts[EmailType.OTHER])
    if urgency is Urgency.HIGH:
        opening += f" {texts['urgent']}"
    team = company.signature or texts["team"].format(name=company.name)
    return SuggestedResponse(
        subject=reply_subject(mail.subject),
        body=f"{texts['greeting']}\n\n{opening}\n\n{texts['next']}\n\n{texts['closing']}\n{team}",
        tone=Tone.PROFESSIONAL,
        language=language,
    )


def strangers(draft: str, *, sources: Iterable[str]) -> list[str]:
    """Return the links, hosts and addresses of ``draft`` that no source holds as they are.

    ``sources`` are the mail, the knowledge snippets and the company's own texts.
    """
    known = {found for source in sources for found in _named(source)}
    return [found for found in _named(draft) if found not in known]


def _named(text: str) -> list[str]:
    return [found.rstrip(".,;:!?").lower() for found in _STRANGER.findall(text)]
