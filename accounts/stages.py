"""How far a connection got, in words: stored and answered it is English."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.smtp import Stage, in_words

STAGES = {
    Stage.RESOLVE: gettext_lazy("name found"),
    Stage.CONNECT: gettext_lazy("connected"),
    Stage.TLS: gettext_lazy("encrypted"),
    Stage.AUTH: gettext_lazy("signed in"),
    Stage.READY: gettext_lazy("ready"),
}


def failure_in_words(account: object, detail: str) -> str:
    """Return what is told of an account that refused something.

    ``detail`` as ``services.failed`` says it, with the stage before it, or as any other refusal.
    """
    stage, _colon, error = detail.partition(": ")
    said = {"account": account, "detail": detail}
    if stage not in set(Stage):
        return _("%(account)s: %(detail)s") % said
    said |= {"stage": STAGES[Stage(stage)], "detail": in_words(error)}
    return _("%(account)s failed at the stage “%(stage)s”: %(detail)s") % said
