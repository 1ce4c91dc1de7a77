"""A real DNS server on a loopback address, with zones written down by the test."""

from __future__ import annotations

import socketserver
import struct
import threading
from contextlib import contextmanager, suppress

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset


class DNSServer:
    """Answers over UDP and TCP on one port; ``queries`` are (name, type, transport) as asked."""

    def __init__(self, host: str = "127.0.0.1"):
        self.queries = []
        self._records = {}
        self._codes = {}
        self._silent = set()
        self._truncated = set()
        self._tcp, self._udp = _listeners(host, self)

    @property
    def address(self) -> str:
        """What goes into DNS_RESOLVERS."""
        return "{}:{}".format(*self._udp.server_address)

    def txt(self, name: str, *values: str) -> None:
        """Publish one TXT record per value, each cut into strings of 255 bytes."""
        self._add(name, "TXT", [_quoted(value) for value in values])

    def mx(self, name: str, *values: str) -> None:
        """Publish exchanges such as ``10 mx.example.com``."""
        self._add(name, "MX", [value if value.endswith(".") else value + "." for value in values])

    def a(self, name: str, *addresses: str) -> None:
        self._add(name, "A", addresses)

    def aaaa(self, name: str, *addresses: str) -> None:
        self._add(name, "AAAA", addresses)

    def cname(self, name: str, target: str) -> None:
        self._add(name, "CNAME", [target.rstrip(".") + "."])

    def remove(self, name: str) -> None:
        """Forget all records of ``name``."""
        self._records.pop(_key(name), None)

    def fail(self, name: str, *, code: str = "SERVFAIL") -> None:
        """Answer each question about ``name`` with an error."""
        self._codes[_key(name)] = dns.rcode.from_text(code)

    def silence(self, name: str) -> None:
        """Never answer about ``name``."""
        self._silent.add(_key(name))

    def truncate(self, name: str) -> None:
        """Answer about ``name`` only over TCP."""
        self._truncated.add(_key(name))

    def start(self) -> DNSServer:
        for listener in (self._tcp, self._udp):
            run = {"poll_interval": 0.02}
            threading.Thread(target=listener.serve_forever, kwargs=run, daemon=True).start()
        return self

    def stop(self) -> None:
        for listener in (self._tcp, self._udp):
            listener.shutdown()
            listener.server_close()

    def respond(self, wire: bytes, *, transport: str) -> bytes | None:
        """Return the answer to one question, None to stay silent."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        self.queries.append((question.name.to_text(omit_final_dot=True), kind, transport))
        if question.name in self._silent:
            return None
        response = dns.message.make_response(query)
        self._fill(response, question.name, kind)
        if transport == "tcp":
            return response.to_wire(max_size=65535)
        if question.name not in self._truncated:
            with suppress(dns.exception.TooBig):
                return response.to_wire(max_size=1232)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.TC
        return response.to_wire()

    def _add(self, name, kind, values):
        self._records.setdefault(_key(name), {})[kind] = list(values)

    def _fill(self, response, name, kind):
        """Put the records of ``name`` into ``response``, following at most 8 aliases."""
        if name in self._codes:
            response.set_rcode(self._codes[name])
            return
        for _ in range(8):
            records = self._records.get(name, {})
            shown = kind if kind in records else "CNAME"
            if shown in records:
                rrset = dns.rrset.from_text_list(name, 60, "IN", shown, records[shown])
                response.answer.append(rrset)
            if shown == kind or "CNAME" not in records:
                break
            name = dns.name.from_text(records["CNAME"][0])
        if name not in self._records and not self._has_below(name):
            response.set_rcode(dns.rcode.NXDOMAIN)

    def _has_below(self, name):
        return any(known.is_subdomain(name) for known in self._records)


@contextmanager
def running_dns_server(host: str = "127.0.0.1"):
    """Give a started server and stop it afterwards."""
    server = DNSServer(host).start()
    try:
        yield server
    finally:
        server.stop()


def _key(name):
    return dns.name.from_text(name)


def _quoted(value):
    data = value.encode()
    parts = [data[start : start + 255] for start in range(0, len(data), 255)] or [b""]
    return " ".join('"' + "".join(f"\\{byte:03d}" for byte in part) + '"' for part in parts)


class _UDP(socketserver.BaseRequestHandler):
    def handle(self):
        wire, sock = self.request
        answer = self.server.zones.respond(wire, transport="udp")
        if answer is not None:
            sock.sendto(answer, self.client_address)


class _TCP(socketserver.StreamRequestHandler):
    def handle(self):
        while header := self.rfile.read(2):
            wire = self.rfile.read(*struct.unpack("!H", header))
            answer = self.server.zones.respond(wire, transport="tcp")
            if answer is not None:
                self.wfile.write(struct.pack("!H", len(answer)) + answer)


class _TCPServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


class _UDPServer(socketserver.ThreadingUDPServer):
    daemon_threads = True


def _listeners(host, zones):
    """Return a TCP and a UDP listener on one free port."""
    for _ in range(20):
        tcp = _TCPServer((host, 0), _TCP)
        try:
            udp = _UDPServer(tcp.server_address, _UDP)
        except OSError:
            tcp.server_close()
            continue
        tcp.zones = udp.zones = zones
        return tcp, udp
    raise OSError("no port is free for both UDP and TCP")
