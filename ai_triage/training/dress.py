"""What surrounds the words of a mail: greeting, closing, footer, quoted history, slips, sender."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import normalize


@dataclass(frozen=True)
class Wardrobe:
    """What one language has to offer."""

    greetings: Sequence[str]
    polite_openings: Sequence[str]
    closings: Sequence[str]
    names: Sequence[str]
    bulk_greetings: Sequence[str]
    bulk_footers: Sequence[str]
    machine_footers: Sequence[str]
    pitch_footers: Sequence[str]
    person_footers: Sequence[str]
    teams: Sequence[str]
    link_texts: Sequence[str]
    history: Sequence[str]


@dataclass(frozen=True)
class Habits:
    """How often mail of one style has each thing, from 0 to 1."""

    greeting: float = 0.0
    opening: float = 0.0
    closing: float = 0.0
    footer: float = 0.0
    link: float = 0.0
    history: float = 0.0
    slips: float = 0.0
    reply: float = 0.0
    no_subject: float = 0.0


HABITS = {
    "person": Habits(0.6, 0.1, 0.6, 0.06, 0.02, 0.1, 0.3, 0.1, 0.1),
    "away": Habits(0.4, 0.0, 0.5, 0.06, 0.0, 0.0, 0.05, 0.1, 0.0),
    "pitch": Habits(0.6, 0.15, 0.5, 0.12, 0.12, 0.03, 0.05, 0.08, 0.02),
    "bulk": Habits(0.3, 0.0, 0.2, 0.55, 0.3),
    "machine": Habits(0.25, 0.0, 0.15, 0.25, 0.15),
}
WARDROBES = {
    "en": Wardrobe(
        greetings="Hi,|Hello,|Dear team,|Hey there,|Good morning,|Dear Sir or Madam,|Hi there!|"
        "To whom it may concern,|Good afternoon,|Dear all,|Hi Sam,|Dear Ms Carter,|Hello Tom,".split("|"),
        polite_openings="I hope you're well.|Hope you had a good weekend.|Sorry to bother you.|"
        "It's me again.|We spoke on the phone the other day.|I've been a customer for years.|"
        "I'm writing on behalf of my father.|I hope this finds you well.".split("|"),
        closings="Thanks|Kind regards|Best|Many thanks in advance|Regards|Cheers|Thank you|"
        "Yours sincerely|Best wishes|All the best|Warm regards|Yours faithfully".split("|"),
        names="Joan Hale|P. Osei|Kevin|Mrs R. Lund|Tom\nLund & Co|Sarah B.|Dr. Amin|Lucy|"
        "Helena Brandt\nHead of Sales\n+44 20 7946 0991|Marc Dupuis\nPurchasing|J.|Ade".split("|"),
        bulk_greetings="Hi Anna,|Dear customer,|Hello Mark!|Dear member,|Hi there,|"
        "Dear friend,|Dear reader,".split("|"),
        bulk_footers="Unsubscribe|You receive this e-mail because you signed up on our website. "
        "Unsubscribe here.|View in browser - Privacy policy - Unsubscribe|"
        "To stop receiving these mails, click here.|Manage your e-mail preferences|"
        "No longer interested? Opt out at any time.|Follow us: Facebook, Instagram".split("|"),
        machine_footers="Please do not reply to this e-mail.|This is an automated message.|"
        "You can change your notification settings at any time.|If you have any questions, visit "
        "our help centre.|This e-mail was sent automatically.|Registered in England no. 0441982.|"
        "Need help? Contact support.".split("|"),
        pitch_footers="If you'd rather not hear from me again, just let me know.|"
        "Not interested? Reply STOP.|P.S. This offer ends on Friday.|Unsubscribe".split("|"),
        person_footers="This message is confidential and meant for the addressee only.|"
        "Please think of the environment before printing this mail.|"
        "Follow us on Facebook and Instagram|Sent from my iPhone".split("|"),
        teams="The team|Your service team|Customer service|The Brightside team|"
        "Northwind Ltd, 4 High Street".split("|"),
        link_texts="Read more|View online|Open|Details|Get started|See here".split("|"),
        history=[
            "On Mon, 3 Nov 2025 at 09:12, Shop <hello@shop.example> wrote:\n> Dear customer,\n"
            "> thank you for your message. Is there anything else we can do?",
            "-----Original Message-----\nFrom: Shop\nSent: Monday\nThank you for your message. "
            "Please click here to unsubscribe.",
            "From: Shop <hello@shop.example>\nSent: 3 November 2025\nTo: you\nSubject: Offer\n\n"
            "As discussed, could you let me know?",
        ],
    ),
    "pt": Wardrobe(
        greetings="Olá,|Bom dia,|Boa tarde,|Boa noite,|Exmos. Senhores,|Prezados,|Oi,|"
        "Oi, tudo bem?|Caros,|Viva,|Boas,|Olá Sofia,|Prezado Marcos,|Bom dia a todos,|"
        "Cara D. Teresa,|Oi gente,".split("|"),
        polite_openings="Espero que esteja tudo bem.|Espero que esteja bem.|Desculpem o incómodo.|"
        "Sou eu outra vez.|Falámos ao telefone há dias.|Sou cliente há anos.|"
        "Escrevo em nome do meu pai.|Tudo bem com vocês?|Desculpa incomodar.".split("|"),
        closings="Obrigado|Obrigada|Cumprimentos|Com os melhores cumprimentos|Att.|"
        "Atenciosamente|Abraço|Grato|Melhores cumprimentos|Abs|Desde já agradeço|Grata".split("|"),
        names="Joana Prado|Rui M.|Cláudia|Carlos Vaz\nDiretor de compras|Bia|Dra. Sá|João|"
        "Thiago|Helena Brito\nResponsável comercial\n+351 210 000 991|Marcos Dutra\nCompras|Lu".split("|"),
        bulk_greetings="Olá Ana,|Caro cliente,|Oi, Marcos!|Estimado sócio,|Olá,|"
        "Caro amigo,|Prezado cliente,|Estimada leitora,".split("|"),
        bulk_footers="Cancelar subscrição|Descadastrar|Recebe este e-mail porque se inscreveu no "
        "nosso site. Cancelar.|Ver no navegador - Política de privacidade - Sair da lista|"
        "Para deixar de receber estas mensagens, clique aqui.|Gerir preferências|"
        "Não quer mais receber nossos e-mails? Clique aqui.|Siga-nos: Facebook, Instagram".split("|"),
        machine_footers="Por favor não responda a este e-mail.|Esta é uma mensagem automática.|"
        "Pode alterar as notificações a qualquer momento.|Em caso de dúvida visite a nossa central "
        "de ajuda.|E-mail enviado automaticamente, favor não responder.|Precisa de ajuda? Fale com "
        "o suporte.|Mensagem gerada pelo sistema.".split("|"),
        pitch_footers="Se não quiser voltar a ouvir de mim, é só dizer.|Sem interesse? Responda "
        "SAIR.|P.S. A oferta acaba na sexta.|Remover da lista".split("|"),
        person_footers="Esta mensagem é confidencial e destina-se apenas ao destinatário.|"
        "Antes de imprimir pense no ambiente.|Siga-nos no Facebook e no Instagram|"
        "Enviado do meu iPhone".split("|"),
        teams="A equipa|Equipe de atendimento|Serviço ao cliente|A equipa Nortada|"
        "Nortada Lda, Rua Direita 4".split("|"),
        link_texts="Ler mais|Ver online|Abrir|Saiba mais|Começar|Veja aqui".split("|"),
        history=[
            "Em seg., 3 de nov. de 2025 às 09:12, Loja <ola@loja.example> escreveu:\n> Prezado "
            "cliente,\n> obrigado pela mensagem. Podemos ajudar em mais alguma coisa?",
            "-----Mensagem original-----\nDe: Loja\nEnviada: segunda\nObrigado pela mensagem. "
            "Para sair da lista clique aqui.",
            "De: Loja <ola@loja.example>\nEnviado: 3 de novembro de 2025\nPara: si\nAssunto: "
            "Proposta\n\nConforme combinado, podia dizer-me?",
        ],
    ),
}
_SENDERS = {
    "person": "ana j.hale kevin1979 rui.m c.osei bia_s t.lund sofia.p m.novak lucas".split(),
    "role": "info office compras accounts contact geral reception admin purchasing".split(),
    "machine": "noreply no-reply notifications alerts billing service support donotreply "
    "naoresponda notificacoes avisos mailer updates invoice suporte".split(),
    "bulk": "newsletter news hello ola offers promo team events marketing noticias ofertas "
    "community no-reply info contato boletim".split(),
    "pitch": "sales7 vivian kyle grow partners security verify info max.r marketing hello "
    "vendas growth team admin".split(),
}
_SENDER_POOLS = {
    "person": ["person"] * 7 + ["role"] * 2,
    "away": ["person"] * 5 + ["role"] * 2,
    "pitch": ["person"] * 3 + ["pitch"] * 3 + ["role"],
    "bulk": ["bulk"] * 7 + ["person", "machine"],
    "machine": ["machine"] * 6 + ["bulk", "role", "person"],
}


def sender(style: str, language: str, chance: random.Random) -> str:
    """Return an address as mail of this style has it."""
    local = chance.choice(_SENDERS[chance.choice(_SENDER_POOLS[style])])
    return f"{local}@{'mail' if language == 'en' else 'correio'}.example"


def dressed(
    subject: str, body: str, *, style: str, language: str, chance: random.Random
) -> tuple[str, str]:
    """Return subject and body as they may arrive."""
    habits, wardrobe = HABITS[style], WARDROBES[language]
    body = _signed(_greeted(body, style, habits, wardrobe, chance), style, habits, wardrobe, chance)
    if chance.random() < habits.slips:
        subject, body = _slipped(subject, body, chance)
    if chance.random() < habits.history:
        body += f"\n\n{chance.choice(wardrobe.history)}"
    if chance.random() < habits.no_subject:
        subject = ""
    if chance.random() < habits.reply and not subject.lower().startswith("re:"):
        subject = f"Re: {subject}"
    return subject, body


def _greeted(
    body: str, style: str, habits: Habits, wardrobe: Wardrobe, chance: random.Random
) -> str:
    if chance.random() < habits.opening:
        body = f"{chance.choice(wardrobe.polite_openings)} {body}"
    if chance.random() < habits.greeting:
        impersonal = style in ("bulk", "machine")
        choices = wardrobe.bulk_greetings if impersonal else wardrobe.greetings
        body = f"{chance.choice(choices)}\n\n{body}"
    return body


def _signed(
    body: str, style: str, habits: Habits, wardrobe: Wardrobe, chance: random.Random
) -> str:
    if chance.random() < habits.link:
        body += f"\n\n{chance.choice(wardrobe.link_texts)}: https://www.shop.example/x/{style}"
    if chance.random() < habits.closing:
        if style in ("bulk", "machine"):
            body += f"\n\n{chance.choice(wardrobe.teams)}"
        else:
            body += f"\n\n{chance.choice(wardrobe.closings)},\n{chance.choice(wardrobe.names)}"
    if chance.random() < habits.footer:
        body += f"\n\n{chance.choice(_footers(style, wardrobe))}"
    return body


def _footers(style: str, wardrobe: Wardrobe) -> Sequence[str]:
    return {
        "bulk": wardrobe.bulk_footers,
        "machine": wardrobe.machine_footers,
        "pitch": wardrobe.pitch_footers,
    }.get(style, wardrobe.person_footers)


def _slipped(subject: str, body: str, chance: random.Random) -> tuple[str, str]:
    """Return the words as somebody in a hurry types them."""
    slip = chance.randrange(4)
    if slip == 0:
        return subject.lower(), body.lower()
    if slip == 1:
        return subject, body.replace("?", chance.choice(["", "??", "?!"]))
    if slip == 2:
        return _bare(subject), _bare(body)
    at = chance.randrange(1, max(2, len(body) - 2))
    return subject, body[: at - 1] + body[at : at + 1] + body[at - 1 : at] + body[at + 1 :]


def _bare(text: str) -> str:
    return normalize("NFKD", text).encode("ascii", "ignore").decode()
