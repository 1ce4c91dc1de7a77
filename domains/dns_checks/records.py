"""What a domain should have in the DNS, as the check is told it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DkimKey:
    """A key of ours: ``record`` is the whole value to publish under ``selector``."""

    selector: str
    record: str


@dataclass(frozen=True)
class DomainRecords:
    """A domain, the DKIM keys we sign with (the main one first) and the hosts we send through."""

    name: str
    dkim: tuple[DkimKey, ...] = ()
    smtp_hosts: tuple[str, ...] = ()
