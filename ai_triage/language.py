"""Which of the languages we write in a mail is in: English, European or Brazilian Portuguese."""

from __future__ import annotations

import re

ENGLISH, EUROPEAN, BRAZILIAN = "en", "pt-PT", "pt-BR"

_WORD = re.compile(r"[^\W\d_]+")
_ENGLISH = frozenset(
    """
    the and is are was you your my i we have has please thanks thank hello dear not for with
    this that can could would what when where how order it of to in on be
    """.split()  # noqa: SIM905  a list would take a line a word
)
_PORTUGUESE = frozenset(
    """
    o os as um uma de do da dos das em no na nos nas que e é não com para por meu minha eu
    vocês você se mas já quero queria obrigado obrigada olá oi boa bom dia tarde pedido
    encomenda qual quando onde como está foi ao à
    """.split()  # noqa: SIM905  a list would take a line a word
)
_EUROPEAN_WORDS = frozenset(
    """
    encomenda encomendas fatura faturação morada telemóvel vosso vossa vossos vossas
    convosco gostava queríamos ficheiro contacto contactar utilizador equipa receção
    comprovativo autocarro comboio pequeno-almoço exmos senhores agradecia registo percebo
    desmarcar subscrição nif iban morada facto palavra-passe casa-de-banho ecrã sítio estou
    """.split()  # noqa: SIM905  a list would take a line a word
)
_BRAZILIAN_WORDS = frozenset(
    """
    você vocês pedido celular boleto pix cpf cnpj nota fiscal cadastro senha usuário equipe
    contato frete oi tudo gente estorno comprovante assinatura aplicativo tela ônibus trem
    banheiro aluguel ok valeu prezados gostaria estoque cadê loja sac time
    """.split()  # noqa: SIM905  a list would take a line a word
)
_EUROPEAN_FORMS = re.compile(
    r"\b(?:estou|estamos|está|estão|ando|continuo) a \w+r\b|\w+-(?:me|nos|lhe|lhes|vos)\b|\bvós\b",
    re.IGNORECASE,
)
_BRAZILIAN_FORMS = re.compile(
    r"\b(?:estou|estamos|está|estão|tô) \w+ndo\b|\bme (?:liga|avisa|manda|fala|ajuda)\w*\b|\bpra\b",
    re.IGNORECASE,
)
_LOOKED_AT = 4000


def language_of(text: str, *, from_address: str = "") -> str:
    """Return ``en``, ``pt-PT`` or ``pt-BR``.

    Portuguese that could be either follows the sender's domain, and is Brazilian without one;
    a text of neither language counts as Portuguese, the language of the default prompt.
    """
    text = text[:_LOOKED_AT].lower()
    words = _WORD.findall(text)
    english = sum(word in _ENGLISH for word in words)
    portuguese = sum(word in _PORTUGUESE for word in words) + len(re.findall("[ãõç]", text))
    if english > portuguese:
        return ENGLISH
    european = sum(word in _EUROPEAN_WORDS for word in words) + 2 * len(
        _EUROPEAN_FORMS.findall(text)
    )
    brazilian = sum(word in _BRAZILIAN_WORDS for word in words) + 2 * len(
        _BRAZILIAN_FORMS.findall(text)
    )
    if european == brazilian:
        return EUROPEAN if from_address.lower().endswith((".pt", ".ao", ".mz")) else BRAZILIAN
    return EUROPEAN if european > brazilian else BRAZILIAN
