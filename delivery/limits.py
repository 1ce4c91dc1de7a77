"""How many messages an account may send now, counted in the database over all workers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from django.db import connections, router, transaction

from accounts.models import EmailAccount
from delivery.models import AccountUsage

FASTEST_PER_MINUTE = 600
SLOWEST_PER_MINUTE = 6
SETTLING = timedelta(seconds=10)
"""Several connections hear of the same trouble; they slow the account down once."""
STEADY = timedelta(minutes=1)


class Window(StrEnum):
    """Fixed spans of time; a day is one of the tenant's."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


LENGTHS = {
    Window.SECOND: timedelta(seconds=1),
    Window.MINUTE: timedelta(minutes=1),
    Window.HOUR: timedelta(hours=1),
    Window.DAY: timedelta(days=1),
}
COUNTED = [f"{window}_{name}" for window in Window for name in ("since", "used")] + ["warmup_since"]


@dataclass(frozen=True)
class Wait:
    """The account's ``limit`` for ``window`` is used up until ``until``."""

    window: Window
    limit: int
    until: datetime

    @property
    def is_daily(self) -> bool:
        return self.window is Window.DAY


@dataclass(frozen=True)
class Permits:
    """Leave to send ``count`` messages; ``wait`` where there is none."""

    count: int
    wait: Wait | None = None


class Source(StrEnum):
    """Whose limit it is."""

    OWN = "own"
    LEARNED = "learned"
    WARM_UP = "warm_up"


@dataclass(frozen=True)
class Use:
    """How much of one limit is used in the window that ends at ``until``."""

    source: Source
    window: Window
    limit: int
    used: int
    until: datetime

    @property
    def left(self) -> int:
        return max(self.limit - self.used, 0)


def make_counters(account: EmailAccount) -> None:
    """Make a limited account's row, in a transaction before the one that locks it.

    Two that insert it and then lock it would deadlock.
    """
    if usage_of(account) is None:
        account.usage, _ = AccountUsage.objects.get_or_create(account=account)


def take(account: EmailAccount, *, most: int, at: datetime) -> Permits:
    """Return permits for up to ``most`` messages, counted as used from now on.

    An account without limits costs no query. Permits of a process that died stay used.
    """
    if not is_limited(account):
        return Permits(most)
    make_counters(account)
    with transaction.atomic(savepoint=False):
        usage = _locked(account)
        _roll(usage, zone=account.tenant.zone, at=at)
        if wait := _wait(account, usage, at=at):
            return Permits(0, wait)
        room = [limit - _used(usage, window) for window, limit in caps(account, usage, at=at)]
        count = min([most, *room])
        _add(usage, count)
        usage.warmup_since = _warmup_since(account, usage, at=at)
        _store(usage)
    return Permits(count)


def give_back(account: EmailAccount, *, count: int, taken_at: datetime) -> None:
    """Return unused permits to those windows that are still the ones they came from.

    Those from before the account's first limit were counted nowhere.
    """
    if count <= 0 or not is_limited(account) or usage_of(account) is None:
        return
    zone = account.tenant.zone
    with transaction.atomic(savepoint=False):
        usage = _locked(account)
        for window in Window:
            if _since(usage, window) == began(window, at=taken_at, zone=zone):
                _set(usage, window, used=max(_used(usage, window) - count, 0))
        _store(usage)


def waiting(account: EmailAccount, *, at: datetime) -> Wait | None:
    """Return what the account's mail waits for, None where some may go now.

    Asks the database nothing where ``usage`` and ``domain__tenant`` were selected with it.
    """
    usage = usage_of(account)
    if usage is None:
        return None
    _roll(usage, zone=account.tenant.zone, at=at)
    return _wait(account, usage, at=at)


def uses(account: EmailAccount, *, at: datetime) -> list[Use]:
    """Return every limit that the account has now, and how much of it is used."""
    usage, zone = usage_of(account) or AccountUsage(), account.tenant.zone
    _roll(usage, zone=zone, at=at)
    return [
        Use(
            source=source,
            window=window,
            limit=limit,
            used=_used(usage, window),
            until=ends(window, since=_since(usage, window) or at, zone=zone),
        )
        for source, window, limit in _limits(account, usage, at=at)
    ]


def usage_of(account: EmailAccount) -> AccountUsage | None:
    """Return the account's counters, None before the first were needed."""
    try:
        return account.usage
    except AccountUsage.DoesNotExist:
        return None


def is_limited(account: EmailAccount) -> bool:
    usage = usage_of(account)
    is_slow = usage is not None and usage.slow_per_minute is not None
    own = (getattr(account, f"limit_per_{window}") for window in Window)
    return is_slow or account.warmup_start is not None or any(limit is not None for limit in own)


def caps(
    account: EmailAccount, usage: AccountUsage, *, at: datetime
) -> Iterator[tuple[Window, int]]:
    """Yield the limit of each window that has one: what staff set, learned and warms up."""
    least: dict[Window, int] = {}
    for _source, window, limit in _limits(account, usage, at=at):
        least[window] = min(limit, least.get(window, limit))
    yield from least.items()


def _limits(
    account: EmailAccount, usage: AccountUsage, *, at: datetime
) -> Iterator[tuple[Source, Window, int]]:
    slow = usage.slow_per_minute
    learned = {} if slow is None else {Window.SECOND: math.ceil(slow / 60), Window.MINUTE: slow}
    for window in Window:
        own = getattr(account, f"limit_per_{window}")
        if own is not None:
            yield Source.OWN, window, own
        if window in learned:
            yield Source.LEARNED, window, learned[window]
    warmup = warmup_limit(account, usage, at=at)
    if warmup is not None:
        yield Source.WARM_UP, Window.DAY, warmup


def warmup_limit(account: EmailAccount, usage: AccountUsage, *, at: datetime) -> int | None:
    """Return today's limit of the warm-up: its start, grown once a day up to its ceiling.

    Its first day is the first on which the account sent under it.
    """
    start, ceiling = account.warmup_start, account.warmup_ceiling
    if start is None or ceiling is None or account.warmup_growth is None:
        return None
    days = (_today(account, at=at) - (usage.warmup_since or _today(account, at=at))).days
    # By logarithms: a power of years would not fit a float.
    if math.log(start) + max(days, 0) * math.log(account.warmup_growth) >= math.log(ceiling):
        return ceiling
    return int(start * account.warmup_growth ** max(days, 0))


# What the server teaches


def slow_down(account: EmailAccount, *, at: datetime) -> None:
    """Halve the account's speed after its server asked for less, down to one in ten seconds."""
    make_counters(account)
    with transaction.atomic():
        usage = _locked(account)
        slow, since = usage.slow_per_minute, usage.slow_since
        if slow is not None and since is not None and abs(at - since) < SETTLING:
            return
        usage.slow_per_minute = max((slow or _usual(account)) // 2, SLOWEST_PER_MINUTE)
        usage.slow_since = at
        usage.save(update_fields=["slow_per_minute", "slow_since"])


def speed_up(account: EmailAccount, *, at: datetime) -> None:
    """Raise a learned speed by a quarter, once for every minute in which mail went well."""
    usage = usage_of(account)
    if usage is None or not _is_steady(usage, at=at):
        return
    make_counters(account)
    with transaction.atomic():
        usage = _locked(account)
        slow = usage.slow_per_minute
        if slow is None or not _is_steady(usage, at=at):
            return
        faster = slow + max(slow // 4, 1)
        usage.slow_per_minute = faster if faster < _usual(account) else None
        usage.slow_since = at
        usage.save(update_fields=["slow_per_minute", "slow_since"])


def _is_steady(usage: AccountUsage, *, at: datetime) -> bool:
    since = usage.slow_since
    return usage.slow_per_minute is not None and since is not None and abs(at - since) >= STEADY


def _usual(account: EmailAccount) -> int:
    own = [account.limit_per_minute, (account.limit_per_second or 0) * 60]
    return min(FASTEST_PER_MINUTE, *(limit or FASTEST_PER_MINUTE for limit in own))


# Over another account


def usable_fallback(account: EmailAccount, *, at: datetime) -> EmailAccount | None:
    """Return the account that may carry this one's mail when its day is used up.

    Whether its server is being left alone is for the caller to see.
    """
    other, usage = account.fallback_account, usage_of(account)
    if other is None or not other.is_active or other.paused_at is not None:
        return None
    if usage is not None and _was_refused_today(account, usage, at=at):
        return None
    return None if waiting(other, at=at) else other


def refuse_fallback(account: EmailAccount, *, reason: str, at: datetime) -> None:
    """Keep the account's mail to itself until tomorrow: the other's server refused it."""
    make_counters(account)
    with transaction.atomic():
        usage = _locked(account)
        usage.fallback_refusal, usage.fallback_refused_at = reason[:500], at
        usage.save(update_fields=["fallback_refusal", "fallback_refused_at"])


def _was_refused_today(account: EmailAccount, usage: AccountUsage, *, at: datetime) -> bool:
    today = began(Window.DAY, at=at, zone=account.tenant.zone)
    return usage.fallback_refused_at is not None and usage.fallback_refused_at >= today


# Windows


def began(window: Window, *, at: datetime, zone: ZoneInfo) -> datetime:
    """Return when the window around ``at`` began."""
    match window:
        case Window.SECOND:
            return at.replace(microsecond=0)
        case Window.MINUTE:
            return at.replace(second=0, microsecond=0)
        case Window.HOUR:
            return at.replace(minute=0, second=0, microsecond=0)
        case Window.DAY:
            return datetime.combine(at.astimezone(zone).date(), time.min, tzinfo=zone)


def ends(window: Window, *, since: datetime, zone: ZoneInfo) -> datetime:
    """Return when the window that began at ``since`` is over; days differ by daylight saving."""
    if window is not Window.DAY:
        return since + LENGTHS[window]
    tomorrow = since.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time.min, tzinfo=zone)


def _roll(usage: AccountUsage, *, zone: ZoneInfo, at: datetime) -> None:
    """Begin anew the windows that are over.

    A window that began a little after ``at`` runs: somebody else's clock was read later. One
    that is further ahead was begun by a wrong clock.
    """
    for window in Window:
        since, start = _since(usage, window), began(window, at=at, zone=zone)
        if since is None or not start <= since <= at + LENGTHS[window]:
            _set(usage, window, since=start, used=0)


def _wait(account: EmailAccount, usage: AccountUsage, *, at: datetime) -> Wait | None:
    """Return the longest of the waits."""
    zone = account.tenant.zone
    waits = [
        Wait(window, limit, ends(window, since=_since(usage, window) or at, zone=zone))
        for window, limit in caps(account, usage, at=at)
        if _used(usage, window) >= limit
    ]
    return max(waits, key=lambda wait: wait.until, default=None)


def _locked(account: EmailAccount) -> AccountUsage:
    """Return the row, which nobody else changes until the transaction ends.

    Written by hand, since every claim asks it: Django would take longer.

    Raises:
        AccountUsage.DoesNotExist: it is gone, and most likely the account with it.
    """
    connection = connections[router.db_for_write(AccountUsage)]
    sql = f"SELECT * FROM {AccountUsage._meta.db_table} WHERE account_id = %s"  # noqa: S608  names only
    if connection.features.has_select_for_update:
        sql += f" {connection.ops.for_update_sql()}"
    usage = next(iter(AccountUsage.objects.using(connection.alias).raw(sql, [account.pk])), None)
    if usage is None:
        raise AccountUsage.DoesNotExist(f"account {account.pk} has no counters any more")
    account.usage = usage
    return usage


def _store(usage: AccountUsage) -> None:
    """Write what was counted, by hand as in ``_locked``."""
    connection = connections[router.db_for_write(AccountUsage)]
    fields = [field for field in AccountUsage._meta.concrete_fields if field.name in COUNTED]
    names = ", ".join(f"{field.column} = %s" for field in fields)
    values = [field.get_db_prep_save(getattr(usage, field.attname), connection) for field in fields]
    sql = f"UPDATE {AccountUsage._meta.db_table} SET {names} WHERE id = %s"  # noqa: S608  names only
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values, usage.pk])


def _since(usage: AccountUsage, window: Window) -> datetime | None:
    since: datetime | None = getattr(usage, f"{window}_since")
    return since


def _used(usage: AccountUsage, window: Window) -> int:
    used: int = getattr(usage, f"{window}_used")
    return used


def _set(usage: AccountUsage, window: Window, *, used: int, since: datetime | None = None) -> None:
    setattr(usage, f"{window}_used", used)
    if since is not None:
        setattr(usage, f"{window}_since", since)


def _add(usage: AccountUsage, count: int) -> None:
    for window in Window:
        _set(usage, window, used=_used(usage, window) + count)


def _today(account: EmailAccount, *, at: datetime) -> date:
    return at.astimezone(account.tenant.zone).date()


def _warmup_since(account: EmailAccount, usage: AccountUsage, *, at: datetime) -> date | None:
    """Keep the first day while there is a warm-up; another one later begins anew."""
    if account.warmup_start is None:
        return None
    return usage.warmup_since or _today(account, at=at)
