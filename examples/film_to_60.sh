#!/usr/bin/env bash
# Film at 23.976 frames/s for a 60 Hz screen: every output frame is computed at its own instant, so
# nothing is shown twice. The size stays as it is.
#   examples/film_to_60.sh in.mp4 out.mp4 [more options of vinr upscale]
set -euo pipefail

input=$1
output=$2
shift 2
vinr upscale "$input" -o "$output" --fps 60 "$@"
