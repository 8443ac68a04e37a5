from vinr_cli.media.base.complaints import is_aftermath, is_noise, plain, reason_of

NVENC = """\
[h264_nvenc @ 0x556cb877a280] Cannot load libcuda.so.1
[vost#0:0/h264_nvenc @ 0x5] [enc:h264_nvenc @ 0x5] Error while opening encoder - maybe incorrect
[vf#0:0 @ 0x556cb87960c0] Task finished with error code: -1 (Operation not permitted)
[out#0/null @ 0x556cb8778b80] Nothing was written into output file, because at least one
"""


def test_the_reason_is_what_comes_first() -> None:
    """Of a cascade of messages, the one that is told is the one that caused the others."""
    assert reason_of(NVENC) == "Cannot load libcuda.so.1"
    assert reason_of("Svt[info]: SVT-AV1\n\n[libx264 @ 0x1] invalid width x height\n") == (
        "invalid width x height"
    )


def test_something_is_said_where_nothing_explains() -> None:
    """Without a reason the last message stands; without a message, nothing."""
    assert reason_of("[vf#0:0 @ 0x1] Task finished with error code: -22 (Invalid argument)") == (
        "Task finished with error code: -22 (Invalid argument)"
    )
    assert reason_of("\n") == ""


def test_a_line_is_judged_by_what_it_says() -> None:
    """Banners are no failure, follow-ups are no reason, and an address in memory is no news."""
    assert is_noise("Svt[info]: LIB Build date")
    assert not is_noise("No space left on device")
    assert is_aftermath("[vost#0:0 @ 0x1] Could not open encoder before EOF")
    assert not is_aftermath("No space left on device")
    assert plain("[vost#0:0 @ 0x1] [enc:x @ 0x2] [no] words [here]") == "words [here]"
    assert plain("Unrecognized option 'nonsense'.") == "Unrecognized option 'nonsense'."
