"""`vinr upscale`: the main job."""

import typer

import vinr_cli.cli.options as o
from vinr_cli.cli.batch import do_job, run_batch, settle_output, show_plan, spread
from vinr_cli.cli.console import Session
from vinr_cli.cli.remote import fetching
from vinr_cli.cli.report import open_reports
from vinr_cli.cli.transfer import bring_model
from vinr_cli.errors import UsageError
from vinr_cli.plan.job import EncodeOptions, JobSpec, SlowAudio
from vinr_cli.plan.request import settle_request
from vinr_cli.plan.scenes import DEFAULT_THRESHOLD
from vinr_cli.weights.deblock import require_strength


def upscale(
    context: typer.Context,
    inputs: o.Inputs,
    output: o.Output = None,
    form: o.Format = None,
    scale: o.Scale = None,
    size: o.Size = None,
    width: o.Width = None,
    height: o.Height = None,
    fps_mult: o.FpsMult = None,
    fps: o.Fps = None,
    slowmo: o.Slowmo = None,
    slowmo_audio: o.SlowmoAudio = None,
    input_fps: o.InputFps = None,
    start: o.Start = None,
    end: o.End = None,
    scene_threshold: o.SceneThreshold = DEFAULT_THRESHOLD,
    no_scene_detection: o.NoScenes = False,
    dedup: o.Dedup = False,
    dedup_threshold: o.DedupThreshold = None,
    deinterlace: o.DeinterlaceOption = o.Deinterlace.AUTO,
    model: o.Model = "default",
    deblock: o.Deblock = None,
    device: o.Device = "auto",
    precision: o.PrecisionOption = o.Precision.AUTO,
    tile: o.Tile = None,
    memory: o.Memory = None,
    codec: o.Codec = None,
    crf: o.Crf = None,
    lossless: o.Lossless = False,
    preset: o.Preset = None,
    pix_fmt: o.PixFmt = None,
    ffmpeg_args: o.FfmpegArgs = "",
    ffmpeg: o.Ffmpeg = None,
    no_audio: o.NoAudio = False,
    no_subs: o.NoSubs = False,
    no_alpha: o.NoAlpha = False,
    overwrite: o.Overwrite = False,
    restart: o.Restart = False,
    strict: o.Strict = False,
    allow_network: o.AllowNetwork = False,
    work_dir: o.WorkDir = None,
    part_frames: o.PartFrames = None,
    dry_run: o.DryRun = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """Make videos larger, smoother, or both.

    Only INPUT is needed. With neither a size nor a rate, both are doubled; with one of them, the
    source's other is kept. A bad input does not stop the others. The same command again goes on
    where an earlier one ended, however it ended. A rate of 23.976 (or 23.98), 29.97, 47.952
    (47.95), 59.94, 119.88 or 239.76 means the NTSC one, such as 24000/1001.
    """
    wanted, rate = settle_request(
        scale=scale, size=size, width=width, height=height,
        fps_mult=fps_mult, fps=fps, slowmo=slowmo,
    )  # fmt: skip
    if slowmo_audio is not None and slowmo is None:
        raise UsageError("--slowmo-audio", "means nothing without --slowmo", "Leave it away.")
    arguments = o.split_arguments(ffmpeg_args)
    encode = EncodeOptions(codec, crf, preset, pix_fmt, arguments, ffmpeg, lossless)
    session = context.ensure_object(Session)
    reports = open_reports(session, quiet=quiet, verbose=verbose, as_json=as_json)
    spec = JobSpec(
        input=inputs[0], container=form, size=wanted, rate=rate, tile=tile, work_dir=work_dir,
        output=settle_output(output, inputs, form, create=not dry_run), memory_limit=memory,
        slow_audio=slowmo_audio or SlowAudio.STRETCH, input_rate=input_fps, start=start, end=end,
        model=model, deblock=deblock, device=device, precision=precision.value, encode=encode,
        scene_threshold=None if no_scene_detection else scene_threshold, part_frames=part_frames,
        repeat_threshold=o.repeat_threshold(dedup, dedup_threshold),
        deinterlace=deinterlace is o.Deinterlace.AUTO, audio=not no_audio, subtitles=not no_subs,
        alpha=not no_alpha, overwrite=overwrite, restart=restart, strict=strict,
    )  # fmt: skip
    bring_model(model, quiet=reports.calm)  # what is wrong for all inputs is said once
    require_strength(model, deblock)
    job = fetching(show_plan if dry_run else do_job, allowed=allow_network)
    with reports:
        code = run_batch(spread(spec, inputs), job, reports)
    raise typer.Exit(code)
