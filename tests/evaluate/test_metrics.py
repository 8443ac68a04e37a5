import pytest
import torch

from vinr_cli.evaluate.metrics import blockiness, gmsd, luma, psnr_rgb, psnr_y, sharpness, ssim_y


def test_luma_of_white_and_black() -> None:
    """Y of white is 235/255 and of black 16/255 (studio range)."""
    grey = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 2, 2)

    assert torch.allclose(
        luma(grey)[:, 0, 0] * 255, torch.tensor([16.0, 235.0]).double(), atol=1e-3
    )


def test_psnr_of_a_known_error() -> None:
    """A grey step of 10 codes in RGB is 10·219/255 codes in Y, and the PSNR follows."""
    a = torch.full((1, 3, 8, 8), 100 / 255)
    b = torch.full((1, 3, 8, 8), 110 / 255)

    assert psnr_rgb(a, b).item() == pytest.approx(28.1308, abs=1e-3)
    assert psnr_y(a, b).item() == pytest.approx(29.4528, abs=1e-3)


def test_equal_pictures() -> None:
    """Equal pictures have 100 dB and an SSIM of 1."""
    a = torch.rand(1, 3, 16, 16)

    assert psnr_y(a, a).item() == pytest.approx(100)
    assert ssim_y(a, a).item() == pytest.approx(1)


def test_rounding_comes_first() -> None:
    """Differences below half a code value do not count."""
    a = torch.full((1, 3, 16, 16), 0.5)

    assert psnr_y(a, a + 0.2 / 255).item() == pytest.approx(100)


def test_ssim_against_its_formula() -> None:
    """SSIM of constant pictures is the luminance term alone."""
    a, b = (torch.full((1, 3, 16, 16), v / 255) for v in (100, 140))
    x, y = (16 + 219 * v / 255 for v in (100, 140))
    c1 = (0.01 * 255) ** 2

    want = (2 * x * y + c1) / (x * x + y * y + c1)
    assert ssim_y(a, b).item() == pytest.approx(want, abs=1e-4)


def test_ssim_refuses_tiny_pictures() -> None:
    """A picture smaller than the window has no SSIM."""
    with pytest.raises(ValueError, match="needs 11 pixels"):
        ssim_y(torch.zeros(1, 3, 10, 20), torch.zeros(1, 3, 10, 20))


def test_blur_lowers_sharpness() -> None:
    """A blurred picture has less gradient energy."""
    a = torch.rand(1, 3, 32, 32)
    blurred = torch.nn.functional.avg_pool2d(a, 3, 1, 1)

    assert sharpness(blurred).item() < 0.5 * sharpness(a).item()


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_blockiness_sees_blocks_on_their_grid(scale: int) -> None:
    """Steps on the lines between blocks raise the figure; smoothness and steps inside do not."""
    ramp = torch.linspace(0.2, 0.8, 64).expand(1, 3, 64, 64)
    flat = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)).expand(1, 3, 8, 8)
    blocks = flat.repeat_interleave(8, 2).repeat_interleave(8, 3) * 0.3
    inside = torch.roll(blocks, (4, 4), (2, 3))

    def figure(x: torch.Tensor) -> float:
        large = x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
        return float(blockiness(large, scale))

    assert figure(ramp) == pytest.approx(1, abs=0.1)
    assert figure(ramp * 0.5 + blocks) > 3
    assert figure(ramp * 0.5 + inside) < 0.4


def test_blockiness_of_a_tiny_picture() -> None:
    """A picture without a line between blocks counts as one without blocks."""
    assert float(blockiness(torch.rand(1, 3, 7, 7), 1)) == 1


def test_gmsd_of_a_lost_half() -> None:
    """Where half of a steady slope is lost, GMSD is the deviation of two likenesses.

    Y rises by 3 codes a pixel, so by 6 a pixel of the halved picture; Prewitt's filter by 3 gives
    that over two pixels, 12. Lost, the likeness is c / (12² + c), else 1; 14 of the 30 columns
    inside are lost, and one is between.
    """
    columns = torch.arange(64.0) * 3 + 20
    truth = columns.expand(1, 3, 64, 64) / 255
    made = columns.clamp(max=20 + 3 * 31.5).expand(1, 3, 64, 64) / 255

    gone = 170 / (12**2 + 170)
    between = (2 * 12 * 5.25 + 170) / (12**2 + 5.25**2 + 170)
    likeness = torch.tensor([1.0] * 15 + [between] + [gone] * 14)

    assert gmsd(truth, truth).item() == 0
    assert gmsd(made, truth).item() == pytest.approx(float(likeness.std(correction=0)), abs=3e-3)


def test_gmsd_sees_structure_and_not_brightness() -> None:
    """A brighter picture has the same gradients; a blurred one has a larger GMSD."""
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.5
    blurred = torch.nn.functional.avg_pool2d(noise, 5, 1, 2)

    assert gmsd(noise + 0.2, noise).item() == pytest.approx(0, abs=1e-2)
    assert gmsd(blurred, noise).item() > 0.1


def test_gmsd_refuses_tiny_pictures() -> None:
    """A picture without an inside after halving has no GMSD."""
    with pytest.raises(ValueError, match="needs 8 pixels"):
        gmsd(torch.zeros(1, 3, 7, 20), torch.zeros(1, 3, 7, 20))
