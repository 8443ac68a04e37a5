"""Inputs on a network, before a job begins."""

from dataclasses import replace
from pathlib import Path

from vinr_cli.cli.batch import Job
from vinr_cli.cli.report import Reports
from vinr_cli.cli.transfer import show_transfer
from vinr_cli.events import Notice
from vinr_cli.plan.job import JobSpec


def fetching(job: Job, *, allowed: bool) -> Job:
    """The same job, for an address too: it is fetched into the current folder first.

    Args:
        job: What to do with a file.
        allowed: Whether the user allows the network.
    """

    def fetched(spec: JobSpec, reports: Reports) -> None:
        from vinr_cli.jobs.remote import address_of, fetch_input, require_allowed

        address = address_of(spec.input)
        if address is not None:
            require_allowed(address, allowed=allowed)
            with show_transfer(spec.input.name, quiet=reports.calm) as watch:
                path = fetch_input(address, Path(), watch)
            reports(Notice(f"is read from {path}; delete it to fetch it anew", spec.input.name))
            spec = replace(spec, input=path)
        job(spec, reports)

    return fetched
