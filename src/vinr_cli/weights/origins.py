"""Weights from the first of several addresses that gives the right bytes."""

from collections.abc import Sequence
from pathlib import Path

from vinr_cli.errors import WeightsError
from vinr_cli.fetch.http import Source, download
from vinr_cli.fetch.identity import Identity
from vinr_cli.fetch.patience import Patience, RefusedError
from vinr_cli.fetch.progress import DownloadProgress, silent


def fetch_weights(
    subject: str,
    sources: Sequence[Source],
    identity: Identity,
    part: Path,
    *,
    progress: DownloadProgress = silent,
    patience: Patience | None = None,
) -> None:
    """Fetch a file from the first address that gives it.

    Args:
        subject: What errors are about, such as "model NAME".
        sources: Addresses of the same bytes, best first.
        identity: Which bytes.
        part: Where they are collected, see `fetch.http.download`; the next address continues it.
        progress: Called with each block.
        patience: How long to try.

    Raises:
        WeightsError: no address gave the file, names each with its cause; or it cannot be written.
    """
    causes = []
    for source in sources:
        try:
            return download(source, part, identity, progress=progress, patience=patience)
        except RefusedError as error:
            causes.append(f"{source}: {error}")
        except OSError as error:
            cause = f"cannot be written: {error.strerror or error}"
            raise WeightsError(part, cause, "Make room, or set VINR_HOME.") from error
    kept = part.stat().st_size if part.is_file() else 0
    again = "the same command resumes where it stopped" if kept else "try again later"
    fix = f"Check the network and the proxy; {again}, or fetch the file elsewhere and use --from."
    raise WeightsError(subject, "could not be fetched from " + "; ".join(causes), fix)
