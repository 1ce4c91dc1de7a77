"""What people write to the shop, and what a model would say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.servers.model_server import Request
from tests.servers.openai import content_of

SHOP, BUYERS, NEWS = "encomendas@alitools.pt", "fornecedores@alitools.pt", "marketing@alitools.pt"


@dataclass(frozen=True)
class Letter:
    """A mail to the shop that came ``hours`` ago; ``answers`` names the order it goes on from,
    ``again`` is the verdict on a second look.
    """

    name: str
    address: str
    subject: str
    text: str
    hours: float
    verdict: dict[str, Any]
    answers: str = ""
    again: dict[str, Any] | None = None


def verdict(
    email_type: str,
    urgency: str,
    reason: str,
    *,
    confidence: float,
    draft: str = "",
    language: str = "pt",
    tone: str = "professional",
    subject: str = "",
) -> dict[str, Any]:
    """An answer as the models give it; without a draft it says to ignore the mail."""
    written = {"subject": subject, "body": draft, "tone": tone, "language": language}
    return {
        "decision": "respond" if draft else "ignore",
        "confidence": confidence,
        "email_type": email_type,
        "urgency": urgency,
        "reason": reason,
        "suggested_response": written if draft else None,
    }


LETTERS = (
    Letter(
        "Liam Byrne",
        "liam.byrne@harbour-joinery.example",
        "Order A-1046: wrong drill bits, site stops on Friday",
        "Hello,\n\nour order A-1046 arrived this morning, but the box holds 8 mm bits instead of "
        "the 12 mm ones we paid for. We need them on the site by Friday noon, otherwise six "
        "people stand still.\n\nCan you send the right ones today and collect the wrong box?\n\n"
        "Regards\nLiam Byrne\nHarbour Joinery",
        3.4,
        verdict(
            "complaint",
            "high",
            "A customer got the wrong article and loses working days if it is not replaced "
            "by Friday.",
            confidence=0.91,
            language="en",
            subject="Re: Order A-1046: wrong drill bits, site stops on Friday",
            draft="Hello Liam,\n\nwe are sorry: the wrong box was packed for order A-1046. The "
            "12 mm bits leave our warehouse today by express and reach you on Thursday before "
            "noon.\n\nPlease keep the 8 mm bits ready; the same driver takes them back, at no "
            "cost to you.\n\nKind regards\nAliTools",
        ),
    ),
    Letter(
        "Rui Tavares",
        "rui.tavares@obras-do-norte.example",
        "Re: A sua encomenda n.º A-1043 está confirmada",
        "Boa tarde,\n\na encomenda A-1043 devia ter chegado ontem e ninguém atende na "
        "transportadora. A betoneira faz falta amanhã às 8h.\n\nRui Tavares",
        1.6,
        verdict(
            "complaint",
            "high",
            "O cliente espera uma encomenda atrasada de que precisa amanhã cedo.",
            confidence=0.88,
            subject="Re: A sua encomenda n.º A-1043 está confirmada",
            draft="Boa tarde, Rui,\n\nlamentamos o atraso. Estamos a confirmar com a "
            "transportadora e ligamos-lhe ainda hoje com a hora de entrega.\n\nA equipa AliTools",
        ),
        answers="A-1043",
    ),
    Letter(
        "Inês Carvalho",
        "ines.carvalho@carpintaria-lima.example",
        "Preço para 40 serras circulares",
        "Bom dia,\n\nqueremos equipar duas oficinas. Que preço fazem para 40 serras circulares "
        "de 190 mm, com entrega em setembro?\n\nObrigada\nInês Carvalho",
        5.2,
        verdict(
            "request",
            "medium",
            "Pedido de preço para uma quantidade grande.",
            confidence=0.94,
            subject="Re: Preço para 40 serras circulares",
            draft="Bom dia, Inês,\n\nobrigado pelo pedido. Para 40 unidades temos condições "
            "especiais; a nossa equipa comercial envia-lhe a proposta ainda hoje.\n\nAliTools",
        ),
    ),
    Letter(
        "Marta Pinheiro",
        "marta@jardins-do-sado.example",
        "Fatura da encomenda A-1029",
        "Olá,\n\npodem reenviar a fatura da encomenda A-1029 com o nosso NIF?\n\nMarta Pinheiro",
        7.1,
        verdict(
            "request",
            "medium",
            "A cliente pede de novo uma fatura, com o NIF.",
            confidence=0.97,
            tone="friendly",
            subject="Re: Fatura da encomenda A-1029",
            draft="Olá, Marta,\n\nsegue em breve a fatura corrigida com o vosso NIF.\n\nAliTools",
        ),
    ),
    Letter(
        "Hotel Miramar",
        "manutencao@hotel-miramar.example",
        "Garantia do berbequim",
        "Bom dia,\n\no berbequim comprado em março deixou de carregar. Ainda está na garantia? "
        "Ou talvez seja a bateria, não sabemos.\n\nManutenção do Hotel Miramar",
        9.8,
        verdict(
            "question",
            "medium",
            "Pergunta sobre a garantia; não é claro que artigo está avariado.",
            confidence=0.62,
            subject="Re: Garantia do berbequim",
            draft="Bom dia,\n\na garantia é de três anos. Diga-nos por favor o número da "
            "encomenda e envie uma fotografia da etiqueta.\n\nAliTools",
        ),
        again=verdict(
            "request",
            "medium",
            "Pedido de garantia; falta o número da encomenda.",
            confidence=0.93,
            subject="Re: Garantia do berbequim",
            draft="Bom dia,\n\npara vermos se o berbequim ainda está na garantia, diga-nos por "
            "favor o número da encomenda; consta da fatura.\n\nAliTools",
        ),
    ),
    Letter(
        "Joana Reis",
        "joana.reis@escola-oficios.example",
        "Catálogo em papel",
        "Boa tarde,\n\nainda enviam o catálogo em papel? Seria para a biblioteca da escola.\n\n"
        "Joana Reis",
        12.5,
        verdict(
            "question",
            "low",
            "Pergunta simples sobre o catálogo em papel.",
            confidence=0.96,
            tone="friendly",
            subject="Re: Catálogo em papel",
            draft="Boa tarde, Joana,\n\nsim, com gosto. Indique-nos a morada e segue esta "
            "semana.\n\nAliTools",
        ),
    ),
    Letter(
        "Feiras do Sul",
        "expositores@feiras-do-sul.example",
        "Ainda há stands para a Expo Ferramentas",
        "Caros expositores,\n\nrestam 12 stands na Expo Ferramentas. Reserve já com 20 % de "
        "desconto.\n\nFeiras do Sul",
        20.0,
        verdict("newsletter", "low", "Publicidade de uma feira.", confidence=0.93),
    ),
)


class Judge:
    """Judges letters as a model would; one that it sees again it may judge otherwise."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, request: Request) -> dict[str, Any]:
        asked = content_of(request)
        letter = next(letter for letter in LETTERS if letter.subject in asked)
        is_again = letter.subject in self._seen
        self._seen.add(letter.subject)
        return (is_again and letter.again) or letter.verdict
