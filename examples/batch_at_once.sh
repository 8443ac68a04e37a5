#!/usr/bin/env bash
# The same in one run of vinr: the network is told once what to do, and a summary comes at the end.
#   examples/batch_at_once.sh folder out-folder [more options of vinr upscale]
set -euo pipefail

folder=$1
results=$2
shift 2
vinr upscale "$folder"/*.mp4 -o "$results/" --height 192 "$@"
