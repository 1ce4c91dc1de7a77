"""Typed reading of the environment: a bad or missing value is a sentence that names it."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import environ
import maxminddb
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")
env = environ.Env()


def text(name: str, default: str | None = None) -> str:
    """Return the variable, its default when unset or empty.

    Raises:
        ImproperlyConfigured: it is not set and has no default.
    """
    value: str = env.str(name, default="")
    if value:
        return value
    if default is None:
        raise ImproperlyConfigured(f"{name} is not set, and SendCraft can't start without it.")
    return default


def parsed(
    name: str, default: str, parse: Callable[[str], T], wanted: str, *, is_secret: bool = False
) -> T:
    """Return the variable as ``parse`` reads it; ``wanted`` says in words what it must be.

    A secret's value stands neither in the sentence nor in the exception's chain.
    """
    value = text(name, default)
    try:
        return parse(value)
    except (ValueError, KeyError):
        given = "" if is_secret else f", not {value!r}"
        raise ImproperlyConfigured(f"{name} must be {wanted}{given}.") from None


def integer(name: str, default: int, *, low: int = 0, high: int = 2**31) -> int:
    def parse(value: str) -> int:
        number = int(value)
        if not low <= number <= high:
            raise ValueError(value)
        return number

    return parsed(name, str(default), parse, f"a whole number from {low} to {high}")


def boolean(name: str, *, default: bool) -> bool:
    words = dict.fromkeys(environ.Env.BOOLEAN_TRUE_STRINGS, True)
    words |= dict.fromkeys(("false", "off", "no", "n", "0"), False)
    return parsed(name, str(default).lower(), lambda value: words[value.lower()], "on or off")


def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(value)
        return value

    return parsed(name, default, parse, f"one of {', '.join(choices)}")


def listed(
    name: str,
    *,
    pattern: str = r"\S+",
    wanted: str = "a comma-separated list",
    is_secret: bool = False,
) -> list[str]:
    """Return the comma-separated items; each must match ``pattern`` whole."""

    def parse(value: str) -> list[str]:
        items = [item.strip() for item in value.split(",") if item.strip()]
        if not all(re.fullmatch(pattern, item) for item in items):
            raise ValueError(value)
        return items

    if not env.str(name, default=""):
        return []
    return parsed(name, "", parse, wanted, is_secret=is_secret)


def encryption_keys() -> list[str]:
    """Return the ring of ``ENCRYPTION_KEYS``, newest first; empty when it is not set."""
    wanted = "a comma-separated list of keys of 16 or more characters, newest first"
    return listed("ENCRYPTION_KEYS", pattern=r"\S{16,}", wanted=wanted, is_secret=True)


def networks(name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    def parse(value: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        items = [item.strip() for item in value.split(",") if item.strip()]
        return [ipaddress.ip_network(item, strict=False) for item in items]

    return parsed(name, "", parse, "a comma-separated list of networks such as 10.0.0.0/8")


def url(name: str, default: str | None, *, schemes: tuple[str, ...]) -> str:
    value = text(name, default)
    try:
        parts = urlsplit(value)
        is_usable = parts.scheme in schemes and parts.port != 0
    except ValueError:  # its text holds a password; a port that is no number
        is_usable = False
    if not is_usable:
        raise ImproperlyConfigured(
            f"{name} must be a well-formed URL that begins with "
            f"{' or '.join(f'{s}://' for s in schemes)}."
        )
    return value


def email(name: str, default: str) -> dict[str, Any]:
    """Return Django's settings of an ``smtp:``, ``smtp+tls:`` or ``smtp+ssl:`` URL."""
    value = url(name, default, schemes=("smtp", "smtp+tls", "smtp+ssl"))
    return dict(env.email_url_config(value))


def seconds(name: str, default: str) -> tuple[int, int, int]:
    """Return the time-outs of a connection: connect, read, write."""

    def parse(value: str) -> tuple[int, int, int]:
        connect, reading, writing = (int(part) for part in value.split(","))
        if min(connect, reading, writing) < 1:
            raise ValueError(value)
        return connect, reading, writing

    return parsed(name, default, parse, "three whole numbers of seconds: connect,read,write")


RATE = re.compile(r"(?P<count>\d{1,9})/(?P<unit>s|sec|second|m|min|minute|h|hour|d|day)")


def rate(name: str, default: str) -> str:
    """Return a rate such as ``600/min`` as it was given, or ``0`` for none."""

    def parse(value: str) -> str:
        if value != "0" and not RATE.fullmatch(value):
            raise ValueError(value)
        return value

    return parsed(name, default, parse, "a rate such as 600/min, or 0 for none")


def database(name: str, default: str) -> dict[str, Any]:
    """Return Django's database settings of a ``sqlite:`` or ``mysql:`` URL."""
    value = text(name, default)
    if not value.startswith(("sqlite:", "mysql:")):
        raise ImproperlyConfigured(f"{name} must be a mysql:// or sqlite:// URL.")
    try:
        config: dict[str, Any] = dict(environ.Env.db_url_config(value))
    except ValueError:  # its text holds the password
        raise ImproperlyConfigured(f"{name} is not a well-formed URL.") from None
    if not config.get("NAME"):
        raise ImproperlyConfigured(f"{name} names no database.")
    return config


def geoip_file(name: str) -> str:
    """Return the path of a MaxMind-format file that can be read, empty where none is named."""

    def parse(value: str) -> str:
        if value:
            maxminddb.open_database(value).close()
        return value

    try:
        return parse(text(name, ""))
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        raise ImproperlyConfigured(f"{name} must be a file in MaxMind's format: {error}") from None


def kept_secret(folder: Path, name: str, make: Callable[[], str]) -> str:
    """Return the secret kept in ``folder`` under ``name``, made at the first call (mode 0600).

    Two processes that start together get the same one: the file appears whole, by a link.
    """
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = folder / f".{name}.{secrets.token_hex(8)}"
        draft.touch(mode=0o600, exist_ok=False)
        draft.write_text(make())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
