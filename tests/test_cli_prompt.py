"""The commands prompt, problems, stages and gpus as a user starts them: bytes, exit codes, messages."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sample_attempts import attempt, filled, incorrect

from harness.data import problems_dir, prompts_dir
from harness.prompts import gpu_names, stage_names
from harness.records import Candidate
from harness.store import Store

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden" / "final_micro_tuning_4090.txt"
COMMAND = [sys.executable, "-c", "from harness.cli import main; main()"]
SEED = ["cumsum_exclusive", "--stage", "final_micro_tuning", "--gpu", "4090"]
NAN = '{"_cumsum_rowwise_kernel": {"launch__grid_size": NaN}}'
OTHER_KERNEL = '{"other_kernel": {"launch__grid_size": 1}}'


def harness(*words, folder, **environment):
    return subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "environment", [{}, {"LC_ALL": "C", "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}]
)
def test_prompt_prints_the_seed_byte_for_byte(environment, tmp_path):
    done = harness("prompt", *SEED, folder=tmp_path, **environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, GOLDEN.read_bytes(), b"")


def test_prompt_writes_a_file_and_a_record(tmp_path):
    done = harness("prompt", *SEED, "--output", "made/p.txt", "--json", folder=tmp_path)
    record = json.loads(done.stdout)
    assert (tmp_path / "made" / "p.txt").read_bytes() == GOLDEN.read_bytes() == record["text"].encode()
    assert set(record) == {"hash", "text", "problem", "stage", "gpu", "sources", "code", "metrics"}


def test_prompt_takes_files(tmp_path):
    (tmp_path / "c.py").write_text("import triton\n\n@triton.jit\ndef k(x):\n    pass")
    (tmp_path / "m.json").write_text('{"k": {"launch__grid_size": 12}}')
    (tmp_path / "f.txt").write_text("slower than before\n")
    given = ["--code", "c.py", "--metrics", "m.json", "--feedback", "f.txt"]
    text = harness("prompt", *SEED, *given, folder=tmp_path).stdout.decode()
    assert '    pass\n```\n\n[NCU PROFILING METRICS]\n{\n  "k": {\n    "launch__grid_size": 12\n' in text
    assert "\n\n[FEEDBACK]\n\nslower than before\n\n[CURRENT CODE]\n" in text


def test_all_writes_each_legal_prompt(tmp_path):
    done = harness("prompt", "cumsum_exclusive", "--all", "--output", "all", folder=tmp_path)
    names = {path.name for path in (tmp_path / "all").iterdir()}
    assert (done.returncode, done.stdout) == (0, b"")
    assert (tmp_path / "all" / GOLDEN.name).read_bytes() == GOLDEN.read_bytes()
    legal = set(stage_names()) - {"repair"}
    assert names == {f"{stage}_{gpu}.txt" for stage in legal for gpu in gpu_names()}


def test_a_new_problem_has_its_prompts(tmp_path):
    assert harness("problems", "new", "row_sum", folder=tmp_path).stdout == b"row_sum\n"
    checked = harness("problems", "./row_sum", "--json", folder=tmp_path)
    assert (checked.returncode, json.loads(checked.stdout)["name"]) == (0, "row_sum")
    first = harness("prompt", "row_sum", "--stage", "seed", "--gpu", "h100", folder=tmp_path)
    assert (first.returncode, first.stderr) == (0, b"")
    assert b"return torch.sum(x, dim=1)" in first.stdout
    wanted = harness("prompt", "row_sum", "--stage", "final_micro_tuning", "--gpu", "h100", folder=tmp_path)
    assert (wanted.returncode, wanted.stdout) == (2, b"")
    assert b"stage final_micro_tuning needs code; row_sum has none: hand it in with --code" in wanted.stderr


@pytest.mark.parametrize(
    ("files", "words", "code", "message"),
    [
        ({}, ["nothing", *SEED[1:]], 2, "unknown problem 'nothing'"),
        ({}, [*SEED[:2], "final", *SEED[3:]], 2, "unknown stage 'final'; the nearest: final_micro_tuning"),
        ({}, [*SEED[:4], "4091"], 2, "unknown GPU '4091'; the nearest: 4090"),
        ({}, SEED[:3], 2, "name a stage with --stage and a GPU with --gpu"),
        ({}, [*SEED, "--all"], 2, "say where with --output FOLDER"),
        (
            {"m": OTHER_KERNEL},
            [*SEED[:3], "--all", "--output", "o", "--metrics", "m"],
            2,
            "name it with --gpu",
        ),
        ({"m": "{"}, [*SEED, "--metrics", "m"], 2, "m: not valid JSON: "),
        ({"m": NAN}, [*SEED, "--metrics", "m"], 2, "m: holds NaN; leave out a metric that was not measured"),
        ({"m": OTHER_KERNEL}, [*SEED, "--metrics", "m"], 2, "m: kernel 'other_kernel' is not in the code"),
        ({"c": " \n"}, [*SEED, "--code", "c"], 2, "c: is empty"),
        ({}, [*SEED, "--code", "c"], 2, "c: cannot read it: No such file or directory"),
        ({"f": "\0"}, [*SEED, "--feedback", "f"], 2, "f: holds a NUL character"),
        ({"d/f": ""}, [*SEED, "--output", "d"], 4, "d: cannot write there: Is a directory"),
        ({"f": ""}, [*SEED, "--output", "f/p"], 4, "f/p: cannot write there: "),
        ({}, [*SEED, "--nothing"], 2, "No such option: --nothing"),
        ({}, [*SEED[:4], "auto"], 4, "`--gpu auto`"),
    ],
)
def test_bad_input_ends_with_a_clear_error(files, words, code, message, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = harness("prompt", *words, folder=tmp_path, CUDA_VISIBLE_DEVICES="")
    assert (done.returncode, done.stdout) == (code, b"")
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scope =", "scop =", "mine.md: unknown key 'scop'; the nearest: scope"),
        (
            '  "lts__t_sector_hit_rate.pct",\n]',
            "]\nmetric = []",
            "mine.md: unknown key 'metric'; the nearest: metrics",
        ),
        ("{{ acceptance.min_gain", "{{ acceptance.gain", "mine.md, line LINE: "),
        ("{{ rules.config_count.minimum }}", "{{ rules.config_count.minimum", "mine.md, line LINE: "),
        ("{{ rules.config_count.minimum }}", "{{ rules.few.minimum }}", "mine.md, line LINE: "),
    ],
)
def test_a_broken_stage_file(old, new, message, tmp_path):
    text = (prompts_dir() / "stages" / "final_micro_tuning.md").read_text()
    assert old in text
    message = message.replace("LINE", str(text.partition(old)[0].count("\n") + 1))
    (tmp_path / "mine.md").write_text(text.replace(old, new, 1))
    done = harness("prompt", "cumsum_exclusive", "--stage", "mine.md", "--gpu", "4090", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("gpus", list(gpu_names())),
        ("stages", list(stage_names())),
        ("problems", sorted(path.parent.name for path in problems_dir().glob("*/problem.toml"))),
    ],
)
def test_listings_name_the_words_that_commands_take(command, names, tmp_path):
    done = harness(command, "--json", folder=tmp_path)
    assert [json.loads(line)["name"] for line in done.stdout.splitlines()] == names
    table = harness(command, folder=tmp_path)
    assert (done.returncode, table.returncode) == (0, 0)
    assert [line.split()[0] for line in table.stdout.decode().splitlines()[1:]] == names


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("words", [["prompt", *SEED], ["gpus", "--json"], ["stages"]])
def test_a_full_disk(words, tmp_path):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 4
    assert done.stderr == b"error: cannot write: No space left on device; make room or write elsewhere\n"


def test_one_broken_file_does_not_hide_the_others(tmp_path):
    (tmp_path / "bad.toml").write_text("num_sms = 3\n")
    done = harness("gpus", "bad.toml", "4090", "--json", folder=tmp_path)
    assert done.returncode == 2
    assert [json.loads(line)["name"] for line in done.stdout.splitlines()] == ["4090"]
    assert b"error: bad.toml: vendor: is None; there are: NVIDIA, AMD" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["new"], "takes one name"),
        (["new", "a", "b"], "takes one name"),
        (["new", "Row-Sum"], "'Row-Sum' cannot name a problem"),
        (["new", "cumsum"], "'cumsum' ships with the harness"),
        (["new", "there"], "there is there already"),
        (["--output", "x"], "--output goes with `problems new NAME`"),
    ],
)
def test_new_problems_that_cannot_be(words, message, tmp_path):
    (tmp_path / "there").mkdir()
    done = harness("problems", *words, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr.decode()


def test_prompts_need_neither_torch_nor_a_network_client(tmp_path):
    script = (
        "import sys\nfrom harness.cli import main\nsys.argv = ['k', 'prompt', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert not {'torch', 'triton', 'openai', 'httpx', 'numpy', 'rich.table'} & set(sys.modules)\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, *SEED], cwd=ROOT, check=True, capture_output=True, timeout=60
    )


def stored(folder, **fields):
    verdict = incorrect(detail="at [0, 128] expected 1, got 2", device="cpu")
    rows = [attempt(1, verdict, problem="cumsum_exclusive", device="cpu", **fields)]
    with filled(folder / "kernel-harness.db", rows) as store:
        (found,) = store.attempts()
        return found, store.runs()[0].id


def test_feedback_and_history_come_from_the_store(tmp_path):
    found, run = stored(tmp_path)
    words = ["prompt", "cumsum_exclusive", "--stage", "repair", "--gpu", "4090"]
    done = harness(*words, "--feedback", found.id[:6], "--history", run, folder=tmp_path)
    text = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert "[FEEDBACK]\n\nThe last candidate: incorrect (values).\nat [0, 128] expected 1, got 2\n" in text
    assert "[EARLIER ATTEMPTS]\n\n1. tuning: incorrect (values), at [0, 128]" in text
    assert "[CURRENT CODE]\n```python\nimport torch\nx = 1\nclass ModelNew: ...\n```" in text


def test_what_is_asked_with_feedback_is_the_prompt_that_is_shown(tmp_path):
    found, run = stored(tmp_path)
    words = ["cumsum_exclusive", "--stage", "repair", "--gpu", "4090", "--feedback", found.id]
    shown = harness("prompt", *words, "--history", run, folder=tmp_path).stdout.decode()
    replies = tmp_path / "replies"
    replies.mkdir()
    (replies / "1.md").write_text("no code")
    asked = ["--history", run, "--model", "replay:replies", "--store", "kernel-harness.db", "--json"]
    done = harness("collect", *words, *asked, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    with Store(tmp_path / "kernel-harness.db", read_only=True) as store:
        assert store.prompt(json.loads(done.stdout)["prompt"]).text == shown
    lost = harness("collect", *words[:-1], "nothing", "--model", "replay:replies", folder=tmp_path)
    assert (lost.returncode, b"no attempt 'nothing'" in lost.stderr) == (2, True)


def test_feedback_with_what_the_kernels_compile_to(tmp_path):
    pytest.importorskip("torch", reason="needs the extra `eval`")
    pytest.importorskip("triton", reason="needs the extra `eval`")
    code = (problems_dir() / "cumsum_exclusive" / "current.py").read_text()
    found, _ = stored(tmp_path, candidate=Candidate(code=code, first_line=1))
    words = ["prompt", "cumsum_exclusive", "--stage", "repair", "--feedback", found.id, "--resources"]
    done = harness(*words, "--gpu", "h100", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    line = r"- `_cumsum_rowwise_kernel` \(.*num_warps=\d+.*\): \d+ registers, \d+ bytes of shared memory"
    assert re.search(line, done.stdout.decode())
    done = harness(*words, "--all", "--output", "all", folder=tmp_path)
    assert (done.returncode, b"--resources are those of one GPU" in done.stderr) == (2, True)


def test_two_prompts_are_compared(tmp_path):
    harness("prompt", *SEED, "--json", "--output", "a.txt", folder=tmp_path)
    record = harness("prompt", *SEED[:4], "h100", "--json", folder=tmp_path).stdout
    (tmp_path / "b.json").write_bytes(record)
    (tmp_path / "a.json").write_bytes(harness("prompt", *SEED, "--json", folder=tmp_path).stdout)
    text = harness("prompt", "--diff", "a.json", "b.json", folder=tmp_path).stdout.decode()
    assert [line.split(":")[0] for line in text.splitlines()[1:3]] == ["gpu", "metrics"]
    assert "--- a.json\n+++ b.json\n" in text
    told = json.loads(harness("prompt", "--diff", "a.txt", "b.json", "--json", folder=tmp_path).stdout)
    assert (told["sources"], len(told["lines"]) > 5) == ({}, True)
    found, _ = stored(tmp_path)
    for name in ("f" * 64, found.id):
        done = harness("prompt", "--diff", "a.txt", name, folder=tmp_path)
        assert (done.returncode, b"no prompt of it in kernel-harness.db" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            [*SEED, "--feedback", "nothing"],
            "nothing: there is no such file, and no store at kernel-harness.db",
        ),
        ([*SEED, "--history", "r1"], "there is no store at kernel-harness.db"),
        (["--diff", "a", "b"], "a: there is no such file, and no store at"),
        ([], "name a problem"),
    ],
)
def test_what_the_store_does_not_hold(words, message, tmp_path):
    done = harness("prompt", *words, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr.decode()
