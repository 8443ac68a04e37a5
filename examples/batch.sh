#!/usr/bin/env bash
# Every video under a folder. vinr never reads stdin, so it can stand inside of a read loop; file
# names may hold anything. A file that fails is told and the others go on.
#   examples/batch.sh folder out-folder [more options of vinr upscale]
set -uo pipefail

folder=$1
results=$2
shift 2
failed=0
while IFS= read -r -d '' file; do
    vinr upscale "$file" -o "$results/" --scale 2 "$@" || failed=$((failed + 1))
done < <(find "$folder" -type f \( -name '*.mp4' -o -name '*.mkv' -o -name '*.mov' \) -print0 | sort -z)
echo "$failed failed"
exit $((failed > 0))
