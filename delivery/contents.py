"""What a drain's messages say, read once for all that share it."""

from __future__ import annotations

from collections.abc import Sequence

from logs.models import EmailContent, EmailLog
from templates_app.models import TemplateVersion


class Contents:
    """Contents never change, so those of the last messages are kept: a batch shares one."""

    def __init__(self) -> None:
        self._contents: dict[int, EmailContent] = {}
        self._versions: dict[int, TemplateVersion] = {}

    def attach(self, emails: Sequence[EmailLog]) -> None:
        """Load the messages' contents with all that belongs to them."""
        wanted = {email.content_id for email in emails}
        self._contents = {pk: self._contents[pk] for pk in wanted & self._contents.keys()}
        if new := wanted - self._contents.keys():
            self._contents |= self._loaded(new)
        for email in emails:
            email.content = self._contents[email.content_id]

    def _loaded(self, ids: set[int]) -> dict[int, EmailContent]:
        contents = EmailContent.objects.prefetch_related("attachments").in_bulk(ids)
        named = {content.template_version_id for content in contents.values()} - {None}
        if new := named - self._versions.keys():
            self._versions |= TemplateVersion.objects.in_bulk(new)
        for content in contents.values():
            if content.template_version_id is not None:
                content.template_version = self._versions[content.template_version_id]
        return contents
