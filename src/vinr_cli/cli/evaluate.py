"""`vinr evaluate`: how good the pictures are, against the truth and against other methods."""

from typing import TYPE_CHECKING

import typer

import vinr_cli.cli.evaluation as e
import vinr_cli.cli.options as o
from vinr_cli.cli.command import takes
from vinr_cli.cli.console import tell, tell_json
from vinr_cli.cli.rows import Given
from vinr_cli.cli.scores import scores_as_json, show_scores

if TYPE_CHECKING:
    from vinr_cli.evaluate.scores import Score

_PROTOCOL = (e.SCALE, e.FPS_MULT, e.FRAMES, e.DEGRADE, e.AGAINST, e.INPUTS)
_MEASURED = (e.BASELINES, e.BY_TIME, e.VMAF, e.FLICKER, e.STRIPS, e.HTML, e.AS_JSON)


@takes(e.CLIPS, e.MODELS, o.DEBLOCK, *_PROTOCOL, *_MEASURED)
def evaluate(context: typer.Context, given: Given) -> None:
    """Reduce clips in space and time, bring them back, and measure what was lost."""
    from vinr_cli.evaluate.clips import find_clips, write_frames
    from vinr_cli.evaluate.compare import PROTOCOL, reduce_clip, score_clip
    from vinr_cli.evaluate.methods import methods, packaged_chooser
    from vinr_cli.evaluate.page import Page
    from vinr_cli.evaluate.scores import average

    deblock, strips, inputs, html = (
        given[o.DEBLOCK],
        given[e.STRIPS],
        given[e.INPUTS],
        given[e.HTML],
    )
    settings, ffmpeg = e.settings_of(given)
    names = given[e.MODELS] or ["default"]
    networks = {f"vinr ({name})": packaged_chooser(name, deblock) for name in names}
    results = e.results_of(given[e.AGAINST] or [])
    table = methods(networks, ffmpeg, baselines=given[e.BASELINES], results=results)
    if strips is not None:
        strips.mkdir(parents=True, exist_ok=True)
    page = None if html is None else Page(PROTOCOL)
    scores: list[Score] = []
    for clip in find_clips(given[e.CLIPS]):
        if inputs is not None:
            write_frames(inputs / clip.stem, reduce_clip(clip, settings)[1].frames)
        scores += score_clip(clip, table, settings, strips, page)
    means = average(scores)
    if html is not None and page is not None:
        page.write(html, means)
    scores += means
    if given[e.AS_JSON]:
        asked = {
            "scale": str(settings.scale),
            "fps_mult": settings.multiple,
            "frames": settings.frames,
            "model": names,
            "degrade": settings.degradation and str(settings.degradation),
            "deblock": "auto" if deblock is None else deblock,
            "against": list(given[e.AGAINST] or []),
        }
        tell_json(scores_as_json(scores, asked, PROTOCOL))
    else:
        show_scores(scores)
        tell(PROTOCOL)
