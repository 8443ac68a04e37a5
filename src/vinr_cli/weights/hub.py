"""Models of the Hugging Face Hub, through huggingface_hub and in its cache.

The library resolves names and revisions, finds the token and the endpoint (HF_TOKEN, HF_ENDPOINT),
keeps the cache (HF_HOME) and works offline (HF_HUB_OFFLINE). Two things are done here, because it
does them no more or never did: a broken download goes on in the next run, and a file is hashed
before it enters the cache. So the bytes are fetched by `fetch.http` to where the library keeps
content (blobs/ETAG, a layout that it documents), and then the library is asked for the file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from huggingface_hub import (
    HfApi,
    ModelCard,
    constants,
    get_token,
    hf_hub_download,
    hf_hub_url,
    scan_cache_dir,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import HfFileMetadata, repo_folder_name

from vinr_cli.errors import WeightsError
from vinr_cli.fetch.digest import Digest
from vinr_cli.fetch.http import Source
from vinr_cli.fetch.identity import ByDigest
from vinr_cli.fetch.patience import (
    RETRIED,
    BrokenError,
    Patience,
    RefusedError,
    persist,
    seconds_asked,
)
from vinr_cli.fetch.progress import DownloadProgress, silent
from vinr_cli.files import publish
from vinr_cli.untrusted import entry
from vinr_cli.weights.cache import WEIGHTS, Stamp, alone, stamp_file
from vinr_cli.weights.names import HubName
from vinr_cli.weights.origins import fetch_weights

CONFIG = "config.json"
CARD = "README.md"
FILES = (CONFIG, CARD, WEIGHTS)


def download_model(
    name: HubName,
    *,
    progress: DownloadProgress = silent,
    patience: Patience | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
) -> Stamp:
    """Bring a model's files into the Hub's cache, checked.

    Without a connection, and with HF_HUB_OFFLINE, what the cache has of the revision serves.

    Args:
        name: Which model.
        progress: Called with each block of the weights.
        patience: How long to try.
        token: As huggingface_hub takes it; None finds the user's own.
        local_files_only: Do not use the network.

    Returns:
        The stamp of its weights file; config.json is beside it, if the repository has one.

    Raises:
        WeightsError: no such model, or one without `model.safetensors`; no access; no connection
            and nothing in the cache; or other bytes than the Hub says.
    """
    patience = patience or Patience()
    with _translated(name):
        away = "the network was not to be used"
        if not local_files_only:
            away = _prefetch_all(name, progress, patience, token)
        paths = _cached(name, token, away)
    weights = paths[WEIGHTS]
    digest = _settle(name, weights)
    licence = _licence(paths[CARD]) if CARD in paths else ""
    return stamp_file(
        str(name),
        weights,
        source=f"{constants.ENDPOINT}/{name.repository}",
        licence=licence,
        commit=weights.parent.name,
        sha256=digest.value if digest.kind == "sha256" else "",
    )


def _prefetch_all(
    name: HubName, progress: DownloadProgress, patience: Patience, token: str | bool | None
) -> str:
    """Bring the content of every file; returns why the Hub cannot be reached, "" if it can."""
    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE forbids to ask"
    try:
        for file in FILES:
            with _optional(file):
                _prefetch(name, file, progress, patience, token)
    except RefusedError as error:
        return f"{constants.ENDPOINT} cannot be reached: {error}"
    return ""


def _cached(name: HubName, token: str | bool | None, away: str) -> dict[str, Path]:
    """The files in the library's cache; `away` says why it cannot be brought up to date.

    Raises:
        WeightsError: the weights are not there.
    """
    paths = {}
    for file in FILES:
        try:
            found = hf_hub_download(
                name.repository,
                file,
                revision=name.revision,
                token=token,
                local_files_only=bool(away),
                cache_dir=constants.HF_HUB_CACHE,
            )
        except LocalEntryNotFoundError as error:
            if file == WEIGHTS:
                fix = "Or fetch it on another machine with --to, and bring it with --from."
                cause = f"is not in the cache, and {away or error}"
                raise WeightsError(f"model {name}", cause, fix) from error
        except EntryNotFoundError:
            if file == WEIGHTS:
                raise
        else:
            paths[file] = Path(found)
    return paths


def _prefetch(
    name: HubName,
    file: str,
    progress: DownloadProgress,
    patience: Patience,
    token: str | bool | None,
) -> None:
    """Put one file's content where the library looks for it before it downloads.

    Raises:
        RefusedError: the Hub cannot be reached.
        WeightsError: the content cannot be had, or is not what the Hub says.
    """
    metadata = _metadata(name, file, patience, token)
    digest = Digest.from_etag(metadata.etag or "")
    if digest is None or metadata.commit_hash is None:
        raise WeightsError(
            f"model {name}",
            f"{constants.ENDPOINT} does not say what {file} hashes to",
            "Use an endpoint that speaks the Hub's API.",
        )
    folder = repo_folder_name(repo_id=name.repository, repo_type="model")
    blob = entry(entry(Path(constants.HF_HUB_CACHE), folder) / "blobs", digest.value)
    if blob.is_file():
        return
    url = hf_hub_url(name.repository, file, revision=metadata.commit_hash)
    plain = constants.ENDPOINT.startswith("http://")  # the user's own choice, by HF_ENDPOINT
    source = Source(url, _authorization(token), insecure=plain)
    shown = progress if file == WEIGHTS else silent
    blob.parent.mkdir(parents=True, exist_ok=True)
    part = blob.with_name(f"{digest.value}.vinr.part")
    with alone(digest.value):
        if not blob.is_file():
            identity = ByDigest(digest, metadata.size)
            fetch_weights(
                f"model {name}", [source], identity, part, progress=shown, patience=patience
            )
            publish(part, blob)


def _authorization(token: str | bool | None) -> dict[str, str]:
    """The header that huggingface_hub would send."""
    found = token if isinstance(token, str) else None if token is False else get_token()
    return {"Authorization": f"Bearer {found}"} if found else {}


def _metadata(
    name: HubName, file: str, patience: Patience, token: str | bool | None
) -> HfFileMetadata:
    """Commit, size and hash of a file, in as many attempts as it takes.

    Raises:
        RefusedError: the Hub cannot be reached.
    """
    url = hf_hub_url(name.repository, file, revision=name.revision)

    def ask() -> HfFileMetadata:
        try:
            return HfApi(token=token).get_hf_file_metadata(url=url, timeout=patience.timeout)
        except HfHubHTTPError as error:
            if error.response.status_code not in RETRIED:
                raise
            wait = seconds_asked(error.response.headers.get("Retry-After", ""))
            raise BrokenError(f"it {_words(error)}", wait) from error
        except httpx2.TransportError as error:
            raise BrokenError(str(error)) from error

    return persist(ask, patience)


def _settle(name: HubName, path: Path) -> Digest:
    """Check a file of the library's cache against the name that its content has there.

    Raises:
        WeightsError: other bytes; they are deleted, so that nobody takes them for the right ones.
    """
    blob = path.resolve()
    digest = Digest.from_etag(blob.name)
    if digest is None:  # a system without links: the library keeps no hash there
        return Digest.of(path)
    if not digest.matches(blob):
        blob.unlink()
        path.unlink(missing_ok=True)
        raise WeightsError(f"model {name}", f"{blob} was damaged and is deleted", "Fetch it again.")
    return digest


def _licence(card: Path) -> str:
    """The licence that a model card states; empty if it states none."""
    try:
        found = getattr(ModelCard(card.read_text(encoding="utf-8")).data, "license", None)
    except (OSError, ValueError):
        return ""
    return found if isinstance(found, str) else ""


@contextmanager
def _optional(file: str) -> Iterator[None]:
    """Let a file be missing in the repository, unless it is the weights."""
    try:
        yield
    except EntryNotFoundError:
        if file == WEIGHTS:
            raise


@contextmanager
def _translated(name: HubName) -> Iterator[None]:
    """The library's errors as ours."""
    subject, where = f"model {name}", constants.ENDPOINT
    try:
        yield
    except GatedRepoError as error:
        fix = f"Ask for access at {where}/{name.repository}, and set HF_TOKEN."
        raise WeightsError(subject, f"{where} gives it to those with access only", fix) from error
    except RevisionNotFoundError as error:
        cause = f"{where} has no revision {name.revision} of it"
        raise WeightsError(subject, cause, "Leave @ and the revision away for main.") from error
    except RepositoryNotFoundError as error:
        fix = "Check the name; a private one needs HF_TOKEN."
        raise WeightsError(subject, f"{where} has no such model", fix) from error
    except EntryNotFoundError as error:
        cause = f"has no {WEIGHTS} at {where}"
        raise WeightsError(subject, cause, "vinr reads safetensors alone.") from error
    except HFValidationError as error:
        raise WeightsError(subject, "is not a name of the Hub", "Write hf:org/name@rev.") from error
    except (HfHubHTTPError, httpx2.HTTPError) as error:
        fix = "Try again later, or set HF_ENDPOINT to a mirror."
        raise WeightsError(subject, f"{where} {_words(error)}", fix) from error


def _words(error: Exception) -> str:
    """What a server did, without the library's advice."""
    if isinstance(error, HfHubHTTPError):
        return f"answers {error.response.status_code} {error.response.reason_phrase}".strip()
    return f"cannot be reached ({' '.join(str(error).split())})"


def forget(stamp: Stamp) -> None:
    """Delete a model's commit from the Hub's cache, if its file is there.

    Args:
        stamp: Of the model.
    """
    cache = Path(constants.HF_HUB_CACHE)
    if cache.is_dir() and stamp.path.is_relative_to(cache):
        scan_cache_dir(cache).delete_revisions(stamp.commit).execute()


def upload_folder(
    folder: Path,
    repository: str,
    *,
    revision: str | None = None,
    private: bool | None = None,
    token: str | None = None,
    message: str,
) -> str:
    """Make a model's repository if it is missing, and upload a folder in one commit.

    Args:
        folder: What to upload.
        repository: "org/name".
        revision: The branch; main if not given.
        private: Whether a new repository is private; None takes the organization's habit.
        token: None finds the user's own (HF_TOKEN).
        message: Of the commit.

    Returns:
        The commit's URL.

    Raises:
        WeightsError: the Hub refuses, or cannot be reached.
    """
    name = HubName.parse(repository)
    api = HfApi(token=token)
    try:
        made = api.create_repo(repository, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=made.repo_id, folder_path=folder, revision=revision, commit_message=message
        )
    except (OfflineModeIsEnabled, HfHubHTTPError, httpx2.HTTPError, OSError, RuntimeError) as error:
        # the library wraps what happens to a large file in a RuntimeError
        cause = f"could not be uploaded to {constants.ENDPOINT}, which {_words(error)}"
        fix = "Check the network, and that HF_TOKEN may write there."
        raise WeightsError(f"model {name.repository}", cause, fix) from error
    return str(commit)
