#!/usr/bin/env bash
# Expected: -colorspace, -color_primaries and -color_trc before the output's name write tags into
#   the encoded stream and leave the samples alone, as in FFmpeg 7.
# Happens in FFmpeg 9: -colorspace converts the samples (what has no tag counts as BT.601), and
#   -color_primaries and -color_trc are dropped without a word, so the usual three options for HDR
#   give a file without primaries and transfer. FFmpeg 7 wrote the three tags and kept the samples.
#   The setparams filter, or the same options before -i, do so in both.
# Versions: FFmpeg 9.0.2 (imageio-ffmpeg 0.8.1) and 7.0.2 (imageio-ffmpeg 0.6.0).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq imageio-ffmpeg==0.8.1
venv/bin/pip install -qq --target old imageio-ffmpeg==0.6.0
locate='import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())'
new=$(venv/bin/python -c "$locate")
old=$(PYTHONPATH=old venv/bin/python -c "$locate")

# One grey-green picture: Y 120, Cb 90, Cr 200, raw and therefore untagged.
venv/bin/python -c 'open("in.yuv", "wb").write(b"\x78" * 4096 + b"\x5a" * 1024 + b"\xc8" * 1024)'
raw=(-f rawvideo -pix_fmt yuv420p -s 64x64)
tags=(-colorspace bt2020nc -color_primaries bt2020 -color_trc smpte2084)
params=setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084

report() { # ENCODER NAME ARGUMENTS...: encodes without loss, prints tags and the samples
    local encoder=$1 name=$2
    shift 2
    "$encoder" -nostdin -y -v error "$@" -c:v libx264 -qp 0 out.mkv
    "$new" -nostdin -y -v error -i out.mkv -f rawvideo out.yuv
    local seen samples
    "$new" -nostdin -hide_banner -i out.mkv -f null - 2>log.txt
    seen=$(sed -n 's/.*Video: .*\(yuv420p([^)]*)\).*/\1/p' log.txt | sed -n 1p)
    samples=$(venv/bin/python -c 'd = open("out.yuv", "rb").read(); print(d[0], d[4096], d[5120])')
    echo "$name: $seen, samples $samples"
}

for program in "$new" "$old"; do
    "$program" -version | sed -n '1s/ Copyright.*//p' | cut -d' ' -f1-3
done
{
    report "$new" "9, output options" "${raw[@]}" -i in.yuv "${tags[@]}"
    report "$old" "7, output options" "${raw[@]}" -i in.yuv "${tags[@]}"
    report "$new" "9, setparams" "${raw[@]}" -i in.yuv -vf "$params"
    report "$new" "9, input options" "${raw[@]}" "${tags[@]}" -i in.yuv
} | tee found.txt
cat >documented.txt <<'END'
9, output options: yuv420p(tv, bt2020nc/unknown/unknown, progressive), samples 115 94 198
7, output options: yuv420p(tv, bt2020nc/bt2020/smpte2084, progressive), samples 120 90 200
9, setparams: yuv420p(tv, bt2020nc/bt2020/smpte2084, progressive), samples 120 90 200
9, input options: yuv420p(tv, bt2020nc/bt2020/smpte2084, progressive), samples 120 90 200
END
diff documented.txt found.txt || { echo "changed: output colour options act otherwise"; exit 1; }
echo "as documented"
