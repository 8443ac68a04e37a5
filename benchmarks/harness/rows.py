"""Every row of the table of faults."""

from collections.abc import Callable

from harness import faults, given_faults
from harness.job import Bench, Row


def all_rows() -> dict[str, Callable[[Bench], Row]]:
    """Every row by its title, in the table's order."""
    return faults.own_rows() | given_faults.rows()
