"""The ffmpeg arguments of an encoder: quality, preset, HDR's static data, and the user's own."""

import math
from fractions import Fraction

from vinr_cli.color.spec import Chroma, ColorSpec, Mastering
from vinr_cli.errors import UsageError
from vinr_cli.media.base.codecs import CODECS, Codec
from vinr_cli.media.base.containers import Container
from vinr_cli.plan.job import EncodeOptions

_CHROMATICITY, _LUMINANCE = Fraction(1, 50_000), Fraction(1, 10_000)
"""Units of SMPTE ST 2086: of x and y, and of cd/m2."""

LIGHT_OPTIONS = {
    "libx264": ("-x264-params", "mastering-display", "cll", True),
    "libx265": ("-x265-params", "master-display", "max-cll", True),
    "libsvtav1": ("-svtav1-params", "mastering-display", "content-light", False),
}
"""How an encoder takes HDR's static data: option, its two keys, and whether in units."""


def arguments_of(
    options: EncodeOptions, name: str, codec: Codec, color: ColorSpec, container: Container
) -> tuple[str, ...]:
    """Ffmpeg output arguments for quality and preset, and the user's own behind them.

    Args:
        options: What the user asked for.
        name: Short name of the codec.
        codec: Its row.
        color: Colours that the encoder is given.
        container: The target's format.

    Raises:
        UsageError: A quality or preset that the encoder does not have, or another output.
    """
    base = [*codec.fixed]
    if options.lossless:
        base = _lossless(base, name, codec)
    arguments = _with_light(base, codec.encoder, color)
    crf = codec.crf if options.crf is None else options.crf
    if crf is not None and not options.lossless:
        _check_crf(crf, options, name, codec)
        arguments += [codec.quality, f"{crf:g}"]
    preset = options.preset or codec.preset
    if name == "prores" and preset is None:
        preset = "hq" if color.chroma is Chroma.C422 else "4444"
    if preset is not None:
        _check_preset(preset, name, codec)
        arguments += [codec.preset_option, preset]
    if codec.canonical == "hevc" and container.hevc_tag:
        arguments += ["-tag:v", container.hevc_tag]
    if not container.reorders:
        arguments += ["-bf", "0"]
    _refuse_outputs(options.extra)
    return (*arguments, *options.extra)


def _refuse_outputs(extra: tuple[str, ...]) -> None:
    """Refuse arguments of the user that name another output: all before it would be for that one.

    Raises:
        UsageError: A word is neither an option nor behind one.
    """
    for before, word in zip(("", *extra), extra, strict=False):
        if not word.startswith("-") and not before.startswith("-"):
            cause = f"{word} would be another output of ffmpeg"
            raise UsageError("--ffmpeg-args", cause, "Give options alone, each with its value.")


def _lossless(arguments: list[str], name: str, codec: Codec) -> list[str]:
    """Arguments that keep every sample; an option that is there already is replaced."""
    if codec.lossless is None:
        able = ", ".join(short for short, row in CODECS.items() if row.lossless is not None)
        raise UsageError("--lossless", f"{name} cannot be lossless", f"These can: {able}.")
    kept = list(arguments)
    if codec.lossless and codec.lossless[0] in kept:
        at = kept.index(codec.lossless[0])
        del kept[at : at + 2]
    return [*kept, *codec.lossless]


def _with_light(arguments: list[str], encoder: str, color: ColorSpec) -> list[str]:
    """Add the mastering display and light levels to an encoder's own parameters."""
    if encoder not in LIGHT_OPTIONS or not (color.mastering or color.light):
        return arguments
    option, display, light, scaled = LIGHT_OPTIONS[encoder]
    values = []
    if color.mastering is not None:
        values.append(f"{display}={_display(color.mastering, scaled=scaled)}")
    if color.light is not None:
        values.append(f"{light}={color.light[0]},{color.light[1]}")
    if option in arguments:
        at = arguments.index(option) + 1
        values.insert(0, arguments[at])
        return [*arguments[:at], ":".join(values), *arguments[at + 1 :]]
    return [*arguments, option, ":".join(values)]


def _display(mastering: Mastering, *, scaled: bool) -> str:
    """A grading display as encoders write it: in units of ST 2086, or as plain numbers."""

    def number(value: Fraction, unit: Fraction) -> str:
        return str(round(value / unit)) if scaled else f"{float(value):.5f}"

    points = {
        "G": mastering.green,
        "B": mastering.blue,
        "R": mastering.red,
        "WP": mastering.white,
    }
    text = "".join(
        f"{key}({number(x, _CHROMATICITY)},{number(y, _CHROMATICITY)})"
        for key, (x, y) in points.items()
    )
    low, high = (number(value, _LUMINANCE) for value in mastering.luminance)
    return f"{text}L({high},{low})"


def _check_crf(crf: float, options: EncodeOptions, name: str, codec: Codec) -> None:
    low, high = codec.crf_range
    if codec.crf_range == (0, 0):
        raise UsageError("--crf", f"{name} has no such quality setting", "Leave --crf away.")
    if not math.isfinite(crf) or not low <= crf <= high:
        cause = f"{options.crf:g} is out of range for {name}"
        raise UsageError("--crf", cause, f"Use {low:g} (best) to {high:g}.")


def _check_preset(preset: str, name: str, codec: Codec) -> None:
    if name in CODECS and preset not in codec.presets:
        fix = f"Use one of {', '.join(codec.presets)}." if codec.presets else "Leave it away."
        raise UsageError("--preset", f"{preset} is no preset of {name}", fix)
