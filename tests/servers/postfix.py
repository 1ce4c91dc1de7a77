"""A real Postfix on free ports, for one test run."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .certificates import KeyPair
from .waiting import answers, until

# smtpd_forbid_bare_newline: this server shall be a victim of SMTP smuggling wherever it runs.
MAIN = """\
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.sendcraft.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
maillog_file = {root}/log/postfix.log
maillog_file_prefixes = {root}
virtual_mailbox_domains = sendcraft.test, other.test
virtual_mailbox_maps = texthash:{root}/etc/vmailbox
virtual_transport = lmtp:inet:127.0.0.1:{ports.lmtp}
recipient_delimiter = +
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{ports.sasl}
smtpd_tls_cert_file = {tls.certificate}
smtpd_tls_key_file = {tls.key}
smtpd_tls_security_level = may
smtpd_recipient_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_error_sleep_time = 0
smtpd_forbid_bare_newline = no
default_transport = smtp:[127.0.0.1]:{ports.far}
smtp_dns_support_level = disabled
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
"""

MASTER = """\
127.0.0.1:{ports.plain} inet n - n - - smtpd
127.0.0.1:{ports.greylisted} inet n - n - - smtpd
  -o {{ smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:{ports.policy},
  reject_unauth_destination }}
127.0.0.1:{ports.submission} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt -o smtpd_tls_auth_only=yes
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
127.0.0.1:{ports.smtps} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class PostfixPorts:
    """Where Postfix listens, and whom it asks.

    ``plain`` takes mail for its own domains without TLS or login, as a mail exchanger does;
    ``far`` is where it sends all other mail: a test may listen there. ``greylisted`` is like
    ``plain`` and asks a Postgrey at ``policy``, which a test has to start.
    """

    plain: int
    submission: int
    smtps: int
    far: int
    lmtp: int
    sasl: int
    greylisted: int
    policy: int


class Postfix:
    """Postfix with everything it writes below one folder."""

    def __init__(
        self, root: Path, *, ports: PostfixPorts, tls: KeyPair, mailboxes: list[str]
    ) -> None:
        self._root = root
        self._ports = ports
        for name in ("etc", "queue", "data", "log"):
            (root / name).mkdir(exist_ok=True)
        shutil.chown(root / "data", "postfix", "postfix")
        etc = root / "etc"
        (etc / "main.cf").write_text(MAIN.format(root=root, ports=ports, tls=tls))
        (etc / "master.cf").write_text(MASTER.format(ports=ports))
        (etc / "vmailbox").write_text("".join(f"{mailbox} x\n" for mailbox in mailboxes))
        (etc / "dynamicmaps.cf").touch()

    @property
    def log(self) -> str:
        file = self._root / "log" / "postfix.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> None:
        """Return when all its ports answer."""
        self._postfix("start")
        for port in (self._ports.plain, self._ports.submission, self._ports.smtps):
            try:
                until(lambda at=port: answers(at), timeout=20, what=f"Postfix at {port}")
            except AssertionError as late:
                raise AssertionError(f"{late}\n{self.log}") from None

    def stop(self) -> None:
        """End it; one that never started is left alone."""
        if (self._root / "queue/pid/master.pid").exists():
            self._postfix("stop")

    def queued(self) -> list[str]:
        """Return the queue as ``postqueue -j`` prints it, a JSON object per message."""
        command = ["postqueue", "-c", self._root / "etc", "-j"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    def _postfix(self, verb: str) -> None:
        command = ["postfix", "-c", str(self._root / "etc"), verb]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise AssertionError(f"postfix {verb} failed\n{done.stderr}{self.log}")


def missing() -> str | None:
    """Return why Postfix can't be started here, or None."""
    if not shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        return "Postfix is not installed"
    return None
