"""What decides the samples of a job's parts: parts of two runs fit together if this is the same."""

import hashlib
import subprocess
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path

from vinr_cli._version import __version__
from vinr_cli.errors import EncoderError, InputError
from vinr_cli.jobs.plan import Plan
from vinr_cli.media.base import is_listing
from vinr_cli.media.read import fingerprint_of
from vinr_cli.weights.deblock import plain_of
from vinr_cli.weights.registry import find_weights

ENDS = 1 << 20
"""Bytes of an input's head and tail that are compared."""
_QUERY_SECONDS = 60
_OTHERWISE = frozenset({"input", "output", "container", "model", "deblock", "encode"})
"""Options that are compared by what they stand for."""
_HARMLESS = frozenset(
    {"device", "slow_audio", "audio", "subtitles", "overwrite", "memory_limit", "tile", "strict",
     "restart", "work_dir", "part_frames"}
)  # fmt: skip
"""Options that change no sample of the picture. Devices and tiles round differently, by far less
than a code value, so a job may go on with others."""


def fingerprint(plan: Plan) -> dict[str, str]:
    """Everything that a part's samples depend on, by the name that people are told.

    Args:
        plan: The job.

    Raises:
        InputError: the input cannot be read.
        EncoderError: ffmpeg does not say its version.
        WeightsError: the weights are not there.
    """
    spec, encoder = plan.spec, plan.encoder
    skipped = _OTHERWISE | _HARMLESS
    options = {
        f.name.replace("_", " "): _words(getattr(spec, f.name))
        for f in fields(spec)
        if f.name not in skipped
    }
    return {
        "vinr": __version__,
        **_input(spec.input),
        **options,
        "repeats": "not looked for" if plan.cadence is None else plan.cadence.digest,
        "output size": f"{plan.size[0]}x{plan.size[1]}",
        "model": _model(plan),
        "deblock": f"{plan.deblocking.strength:g}" if plan.deblocking else "one strength",
        "encoder": f"{encoder.encoder} {encoder.pix_fmt} {' '.join(encoder.arguments)}",
        "format of parts": encoder.part_format,
        "ffmpeg": ffmpeg_version(encoder.ffmpeg),
    }


def _input(path: Path) -> dict[str, str]:
    """Size, time, and hash of head and tail; of pictures, those of all of them."""
    if is_listing(path):
        return fingerprint_of(path)
    try:
        with path.open("rb") as file:
            status = path.stat()
            digest = hashlib.sha256(file.read(ENDS))
            file.seek(max(0, status.st_size - ENDS))
            digest.update(file.read(ENDS))
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error
    return {
        "input size": f"{status.st_size} bytes",
        "input time": f"{status.st_mtime_ns} ns",
        "input content": digest.hexdigest()[:16],
    }


def _model(plan: Plan) -> str:
    """The hash of the weights, and of those that they are mixed with."""
    plain = plain_of(plan.spec.model)
    names = [plan.spec.model] if plain is None else [plan.spec.model, plain]
    return " ".join(_hash(find_weights(name)) for name in names)


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error


def ffmpeg_version(ffmpeg: Path) -> str:
    """First line of what ffmpeg says about itself.

    Raises:
        EncoderError: it says nothing.
    """
    try:
        result = subprocess.run(
            [str(ffmpeg), "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_QUERY_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EncoderError(ffmpeg, f"does not say its version: {error}") from error
    return result.stdout.decode(errors="replace").partition("\n")[0].strip()


def _words(value: object) -> str:
    """An option's value, exactly, for people."""
    if is_dataclass(value) and not isinstance(value, type):
        known = [(f.name, getattr(value, f.name)) for f in fields(value)]
        return ", ".join(f"{name} {_words(v)}" for name, v in known if v is not None) or "as it is"
    if isinstance(value, Enum):
        return str(value.value)
    return "not set" if value is None else str(value)
