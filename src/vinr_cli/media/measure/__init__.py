"""What figures and training need: degradations, VMAF, filters, test clips."""

from typing import TYPE_CHECKING

from vinr_cli.media.lazy import door

if TYPE_CHECKING:
    from vinr_cli.media.measure.degradation import (
        Degradation,
        degrade,
        degrade_telling,
        parse,
        random_degradation,
    )
    from vinr_cli.media.measure.filters import filter_frames
    from vinr_cli.media.measure.testclip import make_test_clip
    from vinr_cli.media.measure.vmaf import SMALLEST, Vmaf, has_vmaf
else:
    __getattr__ = door(
        __name__,
        degradation="Degradation degrade degrade_telling parse random_degradation",
        filters="filter_frames",
        testclip="make_test_clip",
        vmaf="SMALLEST Vmaf has_vmaf",
    )
