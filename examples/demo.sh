#!/usr/bin/env bash
# The main job on recorded replies: a prompt, a model's answers, verdicts, a leaderboard, a report.
# Usage: examples/demo.sh [kernel-harness], from the top of a checkout; files go to demo/.
set -euo pipefail

harness=${1:-kernel-harness}
replies=tests/replies
store=demo/kernel-harness.db
task=(cumsum_exclusive --stage final_micro_tuning --gpu 4090)
samples=$(find "$replies" -name '*.md' | wc -l)

run() {
    printf '\n$ kernel-harness %s\n' "$*" >&2
    "$harness" "$@"
}

mkdir -p demo
run prompt "${task[@]}" >demo/prompt.txt
run collect "${task[@]}" --model "replay:$replies" --samples "$samples" --store "$store"
# 1 says that some candidate did not pass, and some of these should not.
run eval "$replies" --problem cumsum_exclusive --stage final_micro_tuning --device auto --store "$store" ||
    [ $? -eq 1 ]
run leaderboard --store "$store"
run report --store "$store" --output demo/report.html
