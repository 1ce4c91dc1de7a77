"""An IMAP server that does to its clients what a test says, and records all that they say."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class ScriptedIMAP:
    """Listens on 127.0.0.1 while the block runs.

    ``answers`` replaces what a command is answered, by its first word or ``UID FETCH``: a function
    of the server, the tag and the command's line that returns bytes, or None to hang up.
    ``drip_seconds`` sends everything byte by byte; ``tls`` wraps from the first byte.
    """

    mails: dict[int, bytes] = field(default_factory=dict)
    uidvalidity: int = 7
    capabilities: str = "IMAP4rev1 AUTH=PLAIN"
    greeting: bytes = b"* OK ready\r\n"
    tls: ssl.SSLContext | None = None
    starttls: ssl.SSLContext | None = None
    drip_seconds: float = 0.0
    answers: dict[str, Callable[[ScriptedIMAP, str, str], bytes | None]] = field(
        default_factory=dict
    )
    host = "localhost"

    def __enter__(self) -> ScriptedIMAP:
        self.heard: list[str] = []
        self.connections = 0
        self._ending = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._listener.close()

    def commands(self) -> list[str]:
        """The words of the commands, in their order."""
        return [line.split(" ", 1)[1] for line in self.heard if " " in line]

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            self._talk(connection)
        except (OSError, ValueError):
            pass
        finally:
            connection.close()

    def _talk(self, connection: socket.socket) -> None:
        self._say(connection, self.greeting)
        lines = connection.makefile("rb")
        while line := lines.readline().decode("utf-8", "replace").rstrip("\r\n"):
            self.heard.append(line)
            tag, _space, rest = line.partition(" ")
            if not rest.strip():
                return
            if rest.upper().startswith("AUTHENTICATE"):
                self._say(connection, b"+ \r\n")
                self.heard.append(lines.readline().decode().rstrip("\r\n"))
            if rest.upper() == "STARTTLS" and self.starttls:
                self._say(connection, f"{tag} OK begin\r\n".encode())
                connection = self.starttls.wrap_socket(connection, server_side=True)
                lines = connection.makefile("rb")
                continue
            answer = self._answer(tag, rest)
            if answer is None:
                return
            self._say(connection, answer)

    def _answer(self, tag: str, rest: str) -> bytes | None:
        words = rest.upper().split()
        word = " ".join(words[:2]) if words[:1] == ["UID"] else words[0]
        if word in self.answers:
            return self.answers[word](self, tag, rest)
        return self.usual(tag, rest)

    def usual(self, tag: str, rest: str) -> bytes:
        words = rest.split()
        word = " ".join(words[:2]).upper() if words[0].upper() == "UID" else words[0].upper()
        said = b""
        if word == "CAPABILITY":
            said = f"* CAPABILITY {self.capabilities}\r\n".encode()
        elif word == "EXAMINE":
            said = (
                f"* {len(self.mails)} EXISTS\r\n* OK [UIDVALIDITY {self.uidvalidity}] valid\r\n"
            ).encode()
        elif word == "UID SEARCH":
            first = int(words[3].split(":")[0])
            found = [uid for uid in sorted(self.mails) if uid >= first] or sorted(self.mails)[-1:]
            said = f"* SEARCH {' '.join(map(str, found))}\r\n".encode()
        elif word == "UID FETCH":
            for uid in map(int, words[2].split(",")):
                if uid in self.mails:
                    said += self.fetched(uid, rest)
        elif word == "LOGOUT":
            said = b"* BYE bye\r\n"
        return said + f"{tag} OK done\r\n".encode()

    def fetched(self, uid: int, rest: str) -> bytes:
        raw = self.mails[uid]
        if "RFC822.SIZE" in rest:
            return f"* {uid} FETCH (UID {uid} RFC822.SIZE {len(raw)})\r\n".encode()
        if "HEADER" in rest:
            raw = raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            name = "BODY[HEADER]<0>"
        else:
            name = "BODY[]"
        return f"* {uid} FETCH (UID {uid} {name} {{{len(raw)}}}\r\n".encode() + raw + b")\r\n"

    def _say(self, connection: socket.socket, data: bytes) -> None:
        if not self.drip_seconds:
            connection.sendall(data)
            return
        for position in range(len(data)):
            if self._ending.wait(self.drip_seconds):
                return
            connection.sendall(data[position : position + 1])
