"""The far end of the wire: Postfix and Dovecot with mailboxes that tests may read."""

from __future__ import annotations

import os
import shutil
import ssl
import tempfile
from pathlib import Path

from . import dovecot, postfix
from .certificates import CertificateAuthority
from .waiting import free_ports, until

DOMAIN = "sendcraft.test"
ALICE, BOB, BOUNCE = (f"{name}@{DOMAIN}" for name in ("alice", "bob", "bounce"))
# Postfix takes mail for it and Dovecot doesn't know it: its mail comes back as a real bounce.
GHOST = f"ghost@{DOMAIN}"


class MailServer:
    """A mail server on 127.0.0.1; passwords, ports and ``ca_file`` are what a client needs."""

    host = "localhost"
    passwords = {ALICE: "alicepw", BOB: "bobpw", BOUNCE: "bouncepw"}

    def __init__(self) -> None:
        # Not pytest's folder: its parents are closed to the servers' own users.
        self._root = Path(tempfile.mkdtemp(prefix="sendcraft-mail-"))
        self._root.chmod(0o755)
        ports = free_ports(10)
        self.plain_port, self.submission_port, self.smtps_port, self.far_port = ports[:4]
        self.imap_port, self.imaps_port, lmtp, sasl = ports[4:8]
        self.greylisted_port, self.policy_port = ports[8:]
        self._make_certificate()
        self.dovecot = dovecot.Dovecot(
            self._root / "dovecot",
            ports=dovecot.DovecotPorts(self.imap_port, self.imaps_port, lmtp, sasl),
            tls=self._tls,
            passwords=self.passwords,
        )
        self.postfix = postfix.Postfix(
            self._root,
            ports=postfix.PostfixPorts(*ports[:4], lmtp, sasl, *ports[8:]),
            tls=self._tls,
            mailboxes=[*self.passwords, GHOST],
        )

    def start(self) -> None:
        """Return when every port answers; nothing stays behind when one doesn't."""
        try:
            self.dovecot.start()
            self.postfix.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End both servers and delete all they wrote."""
        try:
            self.postfix.stop()
        finally:
            self.dovecot.stop()
            shutil.rmtree(self._root, ignore_errors=True)

    def trusting_context(self) -> ssl.SSLContext:
        """Return a TLS context that verifies this server's certificate and name."""
        return ssl.create_default_context(cafile=self.ca_file)

    def messages(self, user: str) -> list[bytes]:
        """Return the mails in the mailbox of ``user`` as delivered, the oldest first."""
        box = self.dovecot.mail / user
        files = [file for folder in ("new", "cur") for file in (box / folder).glob("*")]
        return [file.read_bytes() for file in sorted(files, key=lambda it: it.stat().st_mtime_ns)]

    def wait_for(self, user: str, *, count: int, timeout: float = 20) -> list[bytes]:
        """Return the mails of ``user`` as soon as there are ``count`` or more."""
        try:
            until(
                lambda: len(self.messages(user)) >= count,
                timeout=timeout,
                what=f"{count} mails for {user}",
            )
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.postfix.log}\n{self.dovecot.log}") from None
        return self.messages(user)

    def put(self, user: str, *mails: bytes) -> None:
        """Put mails into the mailbox of ``user``, also such as no server would deliver."""
        for mail in mails:
            self.dovecot.save(user, mail)

    def empty(self) -> None:
        """Delete all delivered mail, so that the next test starts from nothing."""
        for box in self.dovecot.mail.iterdir():
            for folder in ("new", "cur"):
                for file in (box / folder).glob("*"):
                    file.unlink()

    def _make_certificate(self) -> None:
        folder = self._root / "tls"
        folder.mkdir()
        self.authority = CertificateAuthority(folder)
        self.ca_file = self.authority.certificate
        self._tls = self.authority.issue("localhost", "127.0.0.1")


def missing() -> str | None:
    """Return why no mail server can be started here, or None."""
    if os.geteuid() != 0:
        return "a mail server of the tests needs root"
    return postfix.missing() or dovecot.missing()
