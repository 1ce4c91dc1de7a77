"""A question to put to a provider, and the asking."""

from __future__ import annotations

import asyncio

import pytest

from ai_triage.errors import NoVerdict
from ai_triage.prompt_text import DEFAULT_CRITERIA, DEFAULT_PROMPT
from ai_triage.providers.base import Answer, Company, Mail, Provider, Question

KEY = "canary-key-8d1f"
MAIL = Mail(
    email_id="msg_1",
    from_address="ana@example.com",
    to_address="apoio@loja.example",
    subject="Dúvida sobre produto",
    body="Olá, a vossa máquina faz café gelado?",
)
QUESTION = Question(
    mail=MAIL,
    company=Company(name="Loja", sector="cafés", support_address="apoio@loja.example"),
    system_prompt=DEFAULT_PROMPT,
    criteria=DEFAULT_CRITERIA,
)


def ask(provider: Provider, *, within: float = 10) -> Answer:
    return asyncio.run(provider.answer(QUESTION, within=within))


def failure(provider: Provider, *, within: float = 10) -> NoVerdict:
    """What the provider fails with; its key is in nothing that hangs on the error."""
    with pytest.raises(NoVerdict) as caught:
        ask(provider, within=within)
    error = caught.value
    assert KEY not in repr((error, error.__cause__, error.__context__, vars(error)))
    assert not hasattr(error.__context__, "request")
    assert not hasattr(error.__context__, "response")
    return error
