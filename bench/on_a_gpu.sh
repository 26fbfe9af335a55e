#!/usr/bin/env bash
# Everything that needs a CUDA GPU, the parts that others rest on first: what docs/measurements/ is written from.
# Each part has files and a time limit of its own, which it keeps to in ten minutes; one that fails or runs over does
# not stop the next. FOLDER.tar.gz holds all of FOLDER after each part.
# Usage: bench/on_a_gpu.sh FOLDER [PART ...]     (PYTHON=python3)
set -uo pipefail

folder=${1:?folder for the results}
shift
output=$(realpath --canonicalize-missing "$folder")
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 4
python=${PYTHON:-python3}
seed=reference_solutions/cumsum_exclusive/solution.py
stage=(--problem cumsum_exclusive --stage final_micro_tuning)
on_gpu=(tests/test_device_timing.py tests/test_ahead_gpu.py tests/test_dying_gpu.py tests/test_doctor.py
  tests/test_sandbox_torch.py)
export PYTHONUNBUFFERED=1 PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}

# Name, seconds allowed, command; its stdout goes to NAME.out.
part() {
    local name=$1 seconds=$2 start=$SECONDS
    shift 2
    case " $wanted " in *" $name "*) ;; *) return ;; esac
    timeout --kill-after=30 "$seconds" "$@" >"$output/$name.out" 2>"$output/$name.err"
    echo "$name: exit $?, $((SECONDS - start)) s"
    tar -czf "$output.tar.gz" -C "$output" .
}

wanted=${*:-doctor replies redteam redteam_bare tests aa power reproducibility nsight identity seed
    problems throughput throughput_4096 audit validate isolation}
wanted=$(echo $wanted)
mkdir -p "$output" || exit 4

part doctor 60 "$python" -m harness doctor
part replies 400 "$python" -m harness eval "$seed" tests/replies "${stage[@]}" --device cuda --json \
    --store "$output/replies.db"
part redteam 400 "$python" -m harness redteam --device cuda --size 4096 --json
part redteam_bare 570 "$python" -m harness redteam --device cuda --size 4096 --json --no-static
part tests 570 "$python" -m pytest -m gpu "${on_gpu[@]}"
for name in aa power; do
    part "$name" 570 "$python" bench/timing.py --output "$output/$name" --parts "$name" --most-seconds 260
done
for name in reproducibility nsight identity seed; do
    part "$name" 570 "$python" bench/timing.py --output "$output/$name" --parts "$name"
done
part problems 570 "$python" bench/problems.py --output "$output/problems"
part throughput 570 "$python" bench/throughput.py --output "$output/throughput" --parts gpu
part throughput_4096 570 "$python" bench/throughput.py --output "$output/throughput_4096" --parts gpu --size 4096
part audit 570 "$python" bench/clock_audit.py --output "$output/audit" --trials 20
part validate 570 "$python" -m harness validate --device cuda --json --store "$output/validate.db"
part isolation 570 "$python" bench/isolation.py --output "$output/isolation" --device cuda
