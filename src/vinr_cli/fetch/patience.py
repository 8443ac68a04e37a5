"""Trying again what may work in a while."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

T = TypeVar("T")

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP status codes that may be others in a while."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try.

    Attributes:
        tries: Attempts at one address that bring no new byte.
        first_wait: Seconds before the second attempt; each further wait is twice as long.
        longest_wait: Seconds; a server that asks for more is given up.
        timeout: Seconds without an answer, or without a byte, that count as a broken connection.
        sleep: Waits so many seconds.
    """

    tries: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0
    timeout: float = 30.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)


class BrokenError(Exception):
    """An attempt failed; another one may not.

    Args:
        cause: What happened.
        wait: Seconds that the server asked for, if it did.
    """

    def __init__(self, cause: str, wait: float | None = None) -> None:
        super().__init__(cause)
        self.wait = wait


class RefusedError(Exception):
    """This address will not give the file."""


def persist(
    attempt: Callable[[], T], patience: Patience, gained: Callable[[], bool] = lambda: False
) -> T:
    """Repeat what may fail for a while.

    Args:
        attempt: What to do; raises `BrokenError` where another try may help.
        patience: How often, and how long to wait.
        gained: Whether the last attempt got further than those before, which renews the patience.

    Raises:
        RefusedError: it did not help, or the server asks to wait for too long.
    """
    tries, wait = patience.tries, patience.first_wait
    while True:
        try:
            return attempt()
        except BrokenError as error:
            if gained():
                tries, wait = patience.tries, patience.first_wait
            tries -= 1
            asked = error.wait
            if tries <= 0 or (asked or 0) > patience.longest_wait:
                longer = f", and asks to wait {asked:.0f} s" if asked and tries > 0 else ""
                raise RefusedError(f"{error}{longer}") from error
            patience.sleep(wait if asked is None else asked)
            wait = min(2 * wait, patience.longest_wait)


def seconds_asked(text: str) -> float | None:
    """Seconds that a Retry-After header asks to wait: a number or a date (RFC 9110, 10.2.3).

    Args:
        text: The header's value.

    Returns:
        Seconds from now, at least 0; None where it says nothing that can be read.
    """
    text = text.strip()
    if re.fullmatch("[0-9]{1,18}", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
