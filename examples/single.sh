#!/usr/bin/env bash
# One file: three and a half times as large, four times as many frames, sound kept.
#   examples/single.sh in.mp4 out.mp4 [more options of vinr upscale]
set -euo pipefail

input=$1
output=$2
shift 2
vinr upscale "$input" -o "$output" --scale 3.5 --fps-mult 4 "$@"
