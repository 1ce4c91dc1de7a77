"""A provider asked about many mails at once; what fails is counted, never fatal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ai_triage.errors import NoVerdict
from ai_triage.kinds import Criteria, Tone
from ai_triage.providers.base import Answer, Company, Mail, Provider, Question


@dataclass(frozen=True)
class Asker:
    """Who is asked, with which prompt, and about how many mails at once."""

    provider: Provider
    company: Company
    system_prompt: str
    criteria: Criteria
    tone: Tone
    at_once: int

    def ask(self, mails: Sequence[Mail]) -> list[Answer | NoVerdict]:
        """Return an answer, or why there is none, for each mail in its place."""
        return asyncio.run(self._ask(mails))

    async def _ask(self, mails: Sequence[Mail]) -> list[Answer | NoVerdict]:
        places = asyncio.Semaphore(self.at_once)
        return await asyncio.gather(*(self._one(mail, places) for mail in mails))

    async def _one(self, mail: Mail, places: asyncio.Semaphore) -> Answer | NoVerdict:
        question = Question(mail, self.company, self.system_prompt, self.criteria, tone=self.tone)
        async with places:
            try:
                return await self.provider.answer(question)
            except NoVerdict as failure:
                return failure
