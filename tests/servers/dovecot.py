"""A real Dovecot on free ports: IMAP, LMTP for Postfix, and the passwords of both."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .certificates import KeyPair
from .processes import RunningProcess
from .waiting import answers

# Without the delay and the penalty a test of a wrong password would cost all later logins seconds.
CONFIGURATION = """\
base_dir = {root}/run
state_dir = {root}/run
log_path = {root}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
mail_location = maildir:{mail}/%u
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
ssl = yes
ssl_cert = <{tls.certificate}
ssl_key = <{tls.key}
disable_plaintext_auth = yes
auth_mechanisms = plain login
auth_failure_delay = 0
recipient_delimiter = +
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {root}/users
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={mail}/%u
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {ports.imap}
  }}
  inet_listener imaps {{
    port = {ports.imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {ports.lmtp}
  }}
}}
service auth {{
  inet_listener {{
    address = 127.0.0.1
    port = {ports.sasl}
  }}
}}
"""

# Owner of the mail: a user that every system has, so that none has to be created.
USER, GROUP = "nobody", "nogroup"


@dataclass(frozen=True)
class DovecotPorts:
    """Where Dovecot listens: for mail programs, and for Postfix (``lmtp``, ``sasl``)."""

    imap: int
    imaps: int
    lmtp: int
    sasl: int


class Dovecot:
    """Dovecot with everything it writes below one folder; mail in Maildirs named by address."""

    def __init__(
        self, root: Path, *, ports: DovecotPorts, tls: KeyPair, passwords: Mapping[str, str]
    ) -> None:
        self._root = root
        self._ports = ports
        self.mail = root / "mail"
        self.mail.mkdir(parents=True)
        shutil.chown(self.mail, USER, GROUP)
        users = (f"{user}:{{PLAIN}}{password}\n" for user, password in passwords.items())
        (root / "users").write_text("".join(users))
        self._file = root / "dovecot.conf"
        self._file.write_text(
            CONFIGURATION.format(
                root=root, mail=self.mail, ports=ports, tls=tls, user=USER, group=GROUP
            )
        )
        self._process: RunningProcess | None = None

    @property
    def log(self) -> str:
        file = self._root / "dovecot.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> None:
        """Return when all its ports answer."""
        self._process = RunningProcess([_program(), "-F", "-c", str(self._file)])
        try:
            self._process.wait_until(self._answers, timeout=20)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{self.log}") from None

    def save(self, user: str, mail: bytes) -> None:
        """Put a mail into the user's INBOX as it is, past every check of a mail server."""
        program = shutil.which("doveadm", path=f"{os.environ.get('PATH', '')}:/usr/bin")
        command = [str(program), "-c", str(self._file), "save", "-u", user]
        subprocess.run(command, input=mail, check=True, capture_output=True, timeout=30)

    def forget_uids(self, user: str) -> None:
        """Give the user's INBOX another UIDVALIDITY, as a restored backup has."""
        for pattern in ("dovecot-uid*", "dovecot.index*"):
            for file in (self.mail / user).glob(pattern):
                file.unlink()

    def stop(self) -> None:
        """End it; one that never started is left alone."""
        if self._process is not None:
            self._process.stop()

    def _answers(self, _: RunningProcess) -> bool:
        ports = self._ports
        return all(map(answers, (ports.imap, ports.imaps, ports.lmtp, ports.sasl)))


def missing() -> str | None:
    """Return why Dovecot can't be started here, or None."""
    if _program() is None:
        return "Dovecot is not installed"
    if not all(Path("/usr/lib/dovecot", part).exists() for part in ("imap", "lmtp")):
        return "Dovecot is installed without dovecot-imapd or dovecot-lmtpd"
    return None


def _program() -> str | None:
    return shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
