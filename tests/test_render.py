"""The prompt: the seed byte for byte, one block for each input, errors with file and line."""

import hashlib
import shutil
from pathlib import Path

import pytest

from harness.data import prompts_dir
from harness.errors import UsageError
from harness.metrics import load_metrics
from harness.problems import load_problem
from harness.prompts import load_gpu, load_stage, render_prompt, stage_names
from harness.prompts.templates import render_main, render_text

GOLDEN = Path(__file__).parent / "golden" / "final_micro_tuning_4090.txt"
OTHER_CODE = """import triton


@triton.jit
def _cumsum_rowwise_kernel(x_ptr):
    pass
"""
NOTHING_MEASURED = "Nothing was measured for this code on this GPU."


def seed(**changes):
    given = {"problem": load_problem("cumsum_exclusive"), "stage": load_stage("final_micro_tuning")}
    given["gpu"] = load_gpu("4090")
    return render_prompt(**given | changes)


def blocks(text):
    """Split a prompt at its headings; each block under its heading."""
    found, name = {}, "start"
    for line in text.splitlines():
        if line.startswith(("# Target", "[", "**Task")) and not line.startswith("[:"):
            name = line.split("*: ")[0]
        found.setdefault(name, []).append(line)
    return found


def changed(one, other):
    return {name for name in one | other if one.get(name) != other.get(name)}


def test_seed_prompt_is_byte_exact():
    assert seed().text.encode() == GOLDEN.read_bytes()


@pytest.mark.parametrize("name", stage_names())
def test_golden_prompt_of_each_stage(name):
    feedback = (
        "incorrect: values\nworst element [0, 128]: expected 64.2, got 0.5" if name == "repair" else None
    )
    golden = GOLDEN.with_name(f"{name}_4090.txt")
    assert seed(stage=load_stage(name), feedback=feedback).text.encode() == golden.read_bytes()


def test_prompt_names_its_sources():
    prompt = seed()
    assert prompt.hash == hashlib.sha256(GOLDEN.read_bytes()).hexdigest()
    assert set(prompt.sources) == {"problem", "stage", "gpu", "template", "code", "metrics"}
    assert (prompt.problem, prompt.stage, prompt.gpu) == ("cumsum_exclusive", "final_micro_tuning", "4090")
    assert prompt.code == load_problem("cumsum_exclusive").current_code
    assert prompt.metrics["_cumsum_rowwise_kernel"]["launch__grid_size"] == 32767


def metrics_file(folder, name="_cumsum_rowwise_kernel"):
    path = folder / "metrics.json"
    path.write_text(f'{{"{name}": {{"launch__grid_size": 7, "dram__bytes.sum": 1.50}}}}')
    return load_metrics(path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda _: {"gpu": load_gpu("h100")}, {"# Target GPU", "[NCU PROFILING METRICS]"}),
        (lambda _: {"gpu": load_gpu("mi300x")}, {"# Target GPU", "[NCU PROFILING METRICS]"}),
        (lambda _: {"code": OTHER_CODE}, {"[CURRENT CODE]", "[NCU PROFILING METRICS]"}),
        (lambda path: {"metrics": metrics_file(path)}, {"[NCU PROFILING METRICS]"}),
        (lambda _: {"feedback": "slower"}, {"[OPTIMIZATION STAGE]", "[FEEDBACK]"}),
        (lambda _: {"history": "1.2 ms"}, {"# Target GPU", "[EARLIER ATTEMPTS]"}),
    ],
)
def test_an_input_changes_its_own_block(change, expected, tmp_path):
    assert changed(blocks(seed().text), blocks(seed(**change(tmp_path)).text)) == expected


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({}, False),
        ({"gpu": "4090_d"}, True),
        ({"code": OTHER_CODE}, True),
    ],
)
def test_metrics_belong_to_one_gpu_and_one_code(change, shown):
    if "gpu" in change:
        change = {"gpu": load_gpu(change["gpu"])}
    assert (NOTHING_MEASURED in seed(**change).text) is shown


def test_the_current_code_handed_in_keeps_its_metrics():
    code = load_problem("cumsum_exclusive").current_code
    assert seed(code=code.rstrip() + "\n\n\n").text.encode() == GOLDEN.read_bytes()


def test_metrics_are_printed_as_json_prints_them(tmp_path):
    block = blocks(seed(metrics=metrics_file(tmp_path)).text)["[NCU PROFILING METRICS]"]
    assert block[1:-1] == [
        "{",
        '  "_cumsum_rowwise_kernel": {',
        '    "launch__grid_size": 7,',
        '    "dram__bytes.sum": 1.5',
        "  }",
        "}",
    ]


def test_metrics_of_other_kernels_are_refused(tmp_path):
    with pytest.raises(
        UsageError, match=r"metrics\.json: kernel '_cumsum_row' is not in the code; the nearest"
    ):
        seed(metrics=metrics_file(tmp_path, "_cumsum_row"))


@pytest.mark.parametrize("ending", ["", "\n", "\n\n\n", "\r\n"])
def test_code_is_verbatim_with_one_final_newline(ending):
    code = '"""{{ no template }} {% raw %}"""\n\n  \tx = 1  '
    text = seed(code=code + ending).text
    assert f"[CURRENT CODE]\n```python\n{code}\n```\n\n[NCU" in text


def test_a_fence_in_the_code_does_not_end_the_block():
    code = '"""\n```\nexample\n```\n"""\n'
    assert f"\n````python\n{code}````\n" in seed(code=code).text


def test_optional_sections_leave_three_empty_lines_when_empty():
    lines = seed().text.splitlines()
    for heading in ("[OPTIMIZATION STAGE]", "[CURRENT CODE]"):
        place = lines.index(heading)
        assert lines[place - 3 : place] == ["", "", ""]
        assert lines[place - 4]


def test_optional_sections_when_filled():
    text = seed(history="first\nsecond\n", feedback="\nslower\n").text
    assert "72 MB\n\n[EARLIER ATTEMPTS]\n\nfirst\nsecond\n\n[OPTIMIZATION STAGE]\n" in text
    assert "or unstable\n\n[FEEDBACK]\n\nslower\n\n[CURRENT CODE]\n" in text


@pytest.mark.parametrize(
    ("gpu", "absent", "present"),
    [
        ("t4", ["TF32", "BFLOAT16"], ["• FP16 Tensor Core TFLOPS: 65 with dense"]),
        ("mi355x", ["TF32", "SM", "arp", "hared"], ["• Number of compute units: 256 (8 XCDs x 32 CUs)"]),
        ("mi250x", ["TF32", "Infinity"], ["• Wavefront size: 64", "• Maximum LDS per workgroup: 64 KB"]),
        ("b200", ["FP8"], ["• L2 cache (global, all SM shared): 126.5 MB", "• Memory Bandwidth: 7700 GB/s"]),
    ],
)
def test_gpu_lines(gpu, absent, present):
    block = "\n".join(blocks(seed(gpu=load_gpu(gpu)).text)["# Target GPU"])
    assert not [word for word in absent if word in block]
    assert not [line for line in present if line not in block]
    assert "None" not in block


@pytest.mark.parametrize(
    ("file", "old", "new", "place"),
    [
        ("optimize.md.j2", "{{ stage.focus }}", "{{ stage.fokus }}", "optimize.md.j2, line 18: .*fokus"),
        ("optimize.md.j2", "{{ body }}", "{{ bdy }}", "optimize.md.j2, line 20: 'bdy' is undefined"),
        ("optimize.md.j2", "{{ body }}", "{% if body %}", "optimize.md.j2, line "),
        ("optimize.md.j2", "{{ body }}", "{{ body | nofilter }}", "optimize.md.j2, line 20: .*nofilter"),
        ("optimize.md.j2", "{{ body }}", "{{ body + 1 }}", "optimize.md.j2, line 20: "),
        (
            "partials/gpu_nvidia.md.j2",
            "{{ gpu.num_sms }}",
            "{{ gpu.sms }}",
            "gpu_nvidia.md.j2, line 4: .*sms",
        ),
    ],
)
def test_template_errors_name_file_and_line(file, old, new, place, tmp_path):
    folder = tmp_path / "prompts"
    shutil.copytree(prompts_dir(), folder)
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    values = {"reference": "", "code": "", "metrics": "", "feedback": "", "history": "", "body": "x"}
    with pytest.raises(UsageError, match=place):
        render_main(folder, gpu=load_gpu("4090"), stage=load_stage("final_micro_tuning"), **values)


def test_body_errors_name_file_and_line():
    with pytest.raises(UsageError, match=r"^s\.md, line 12: 'nothing' is undefined$"):
        render_text("first\n{{ nothing }}", 11, Path("s.md"))


def test_a_stage_that_lacks_what_it_needs(tmp_path):
    problem = load_problem("cumsum_exclusive").model_copy(update={"current_code": None})
    with pytest.raises(UsageError, match=r"stage final_micro_tuning needs code; .* --code"):
        seed(problem=problem)


def test_blocks_tell_all_headings_apart():
    assert len(blocks(GOLDEN.read_text())) == 6
