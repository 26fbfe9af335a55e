"""Stage files: every bullet is bound, numbers come from the rules, a wrong key says what is allowed."""

import re

import pytest

from harness.data import prompts_dir
from harness.errors import UsageError
from harness.prompts.bullets import bullets
from harness.prompts.stages import load_stage, read_stage, stage_names

SEED = prompts_dir() / "stages" / "final_micro_tuning.md"
# As Nsight Compute 2025.3.1 lists them for both ad102 and gh100; launch__* exist on every chip.
COUNTERS = {"dram__bytes_read", "dram__bytes_write", "gpu__time_duration", "smsp__inst_executed_op_local_ld"}
COUNTERS |= {"l1tex__data_bank_conflicts_pipe_lsu_mem_shared"}
RATES = {"sm__warps_active", "sm__pipe_tensor_cycles_active"}
THROUGHPUTS = {"dram__throughput", "sm__throughput"}
PERCENTAGES = {"l1tex__t_sector_hit_rate", "lts__t_sector_hit_rate"}
PERCENTAGES |= {f"smsp__sass_average_data_bytes_per_sector_mem_global_op_{way}" for way in ("ld", "st")}
RATIOS = {"smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active"}
METRICS = {
    *(f"{name}.sum" for name in COUNTERS),
    *(f"{name}.avg.pct_of_peak_sustained_active" for name in RATES),
    *(f"{name}.avg.pct_of_peak_sustained_elapsed" for name in THROUGHPUTS),
    *(f"{name}.pct" for name in PERCENTAGES),
    *(f"{name}.ratio" for name in RATIOS),
}


@pytest.fixture(params=stage_names())
def stage(request):
    return load_stage(request.param)


def edited(folder, old, new):
    text = SEED.read_text()
    assert old in text
    path = folder / "mine.md"
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_seed_stage():
    stage = load_stage("final_micro_tuning")
    assert (stage.title, stage.scope, stage.min_gain) == ("Final micro-tuning", "parameters", 0.01)
    assert stage.rules["num_warps_set"].values == (2, 4, 8, 16)
    assert stage.rules["num_warps_occupancy"].severity == "warning"
    assert {rule.severity for name, rule in stage.rules.items() if name != "num_warps_occupancy"} == {"error"}
    assert stage.metrics[1] == "launch__grid_size"


def test_every_bullet_is_bound_to_a_rule_or_marked_as_advice(stage):
    found = list(bullets(stage.body, stage.body_line, stage.path))
    assert found
    assert {bullet.rule for bullet in found} >= set(stage.rules)
    assert len(found) == len(re.findall(r"<!-- (?:rule: \w+|advice) -->", stage.body))


def test_metrics_exist_on_the_chips(stage):
    assert {name for name in stage.metrics if not name.startswith("launch__")} <= METRICS
    assert len(set(stage.metrics)) == len(stage.metrics)


def test_the_stages_of_an_optimisation_are_there():
    wanted = "block_tiling fusion grid_and_parallelism memory_access port repair seed final_micro_tuning"
    assert set(stage_names()) >= set(wanted.split())


def test_every_stage_renders_without_marks(stage):
    assert "<!--" not in stage.render_body()
    assert "{{" not in stage.render_body()


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("values = [2, 4, 8, 16]", "values = [4, 32]", "- num_warps ∈ {4,32}"),
        ("values = [2, 3, 4]", "values = [1]", "- num_stages ∈ {1}"),
        ("step = 1", "step = 2", "- Change num_stages by ±2 only"),
        ("minimum = 3", "minimum = 2", "- 2\u20136 nearby configs"),
        ("maximum = 6", "maximum = 12", "- 3\u201312 nearby configs"),
        ("min_gain = 0.01", "min_gain = 0.005", "- Revert if gain <0.5\u20132% or unstable"),
    ],
)
def test_the_prompt_says_what_the_rule_holds(old, new, line, tmp_path):
    changed = read_stage(edited(tmp_path, old, new)).render_body().splitlines()
    original = load_stage("final_micro_tuning").render_body().splitlines()
    assert [new for old, new in zip(original, changed, strict=True) if old != new] == [line]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title =", "titel =", "mine.md: unknown key 'titel'; the nearest: title"),
        (
            'scope = "parameters"',
            'scope = "kernel"',
            "scope: Input should be 'parameters', 'kernels' or 'any'",
        ),
        ('scope = "parameters"\n', "", "scope: Field required"),
        ('title = "Final micro-tuning"', 'title = ""', "title: String should have at least 1 character"),
        ('needs = ["code"]', 'needs = ["reference"]', "needs: reference is not in `shows`"),
        ('needs = ["code"]', 'needs = ["luck"]', "needs.0: Input should be 'reference', 'code', 'metrics'"),
        (
            'shows = ["code", "metrics"]',
            'shows = ["code"]',
            "metrics: name the metrics to collect where `shows`",
        ),
        ('  "lts__t_sector_hit_rate.pct",\n', '  "L2 hit rate",\n', "metrics.4: String should match pattern"),
        (
            '  "sm__warps_active.avg.pct_of_peak_sustained_active",\n',
            "",
            "metrics: sm__warps_active.* is missing: rule num_warps_occupancy reads it",
        ),
        (
            "values = [2, 4, 8, 16]",
            "values = []",
            "rules.num_warps_set.values: Tuple should have at least 1 item",
        ),
        ("values = [2, 4, 8, 16]", "values = [2, 3]", "num_warps cannot be 3; it can be 1, 2, 4, 8, 16, 32"),
        ("values = [2, 4, 8, 16]", "values = [2, 2]", r"a value stands twice in \[2, 2\]"),
        (
            "values = [2, 4, 8, 16]",
            'values = ["2"]',
            "rules.num_warps_set.values.0: Input should be a valid integer",
        ),
        ("values = [2, 3, 4]", "values = [0]", "num_stages cannot be 0; it can be 1 to 10 in steps of 1"),
        ("step = 1", "step = 0", "rules.num_stages_step.step: Input should be greater than 0"),
        ("step = 1", "stride = 1", "rules.num_stages_step: unknown key 'stride'; the nearest: step"),
        ("minimum = 3", "minimum = 7", "minimum: 7 is more than the maximum, 6"),
        ("min_gain = 0.01", "min_gain = 0.03", r"acceptance: clear_gain: 0.02 is less than min_gain, 0.03"),
        ("min_gain = 0.01", "min_gain = 1.0", "acceptance.min_gain: Input should be less than 1"),
        (
            'check = "frozen"',
            'check = "freeze"',
            "rules.frozen_launch: check: there is no 'freeze'; .* frozen",
        ),
        ('check = "frozen"\n', "", "rules.frozen_launch: check: missing"),
        (
            'what = ["grid", "block"]',
            'what = ["grids"]',
            "rules.frozen_launch.what.0: Input should be 'grid' or",
        ),
        ("[rules.config_count]", "[rules.Config-count]", "rules.Config-count"),
        ("<!-- rule: config_count -->", "", "mine.md, line LINE: end the bullet with <!-- rule: ID -->"),
        ("<!-- rule: config_count -->", "<!-- advice -->", "rules.config_count: no bullet says it"),
        (
            "rule: config_count",
            "rule: config_cuont",
            "line LINE: no rule 'config_cuont'; the nearest: config_count",
        ),
        ("±{{ rules.num_stages_step.step }}", "±1", "line LINE: take 1 from the rule, as in"),
        ("num_stages by", "stages by", "rules.num_stages_step: its bullet must name 'num_stages'"),
        ("grid or BLOCK", "grid", "rules.frozen_launch: its bullet must name 'block'"),
        (
            "{{ rules.config_count.maximum }}",
            "many",
            r"its bullet must render {{ rules.config_count.maximum }}",
        ),
        ("acceptance.min_gain", "acceptance.clear_gain", r"its bullet must render {{ acceptance.min_gain }}"),
        (
            "- Always",
            "- Keep scope <!-- rule: scope -->\n- Always",
            r"scope: its bullet must render {{ scope }}",
        ),
        ("step = 1", "step = = 1", r"not valid TOML: .*\(at line LINE, column 8\)"),
        ("+++\nParams", "Params", "must start with TOML front matter"),
        ("+++\ntitle", "title", "must start with TOML front matter"),
        ("title =", 'path = "x"\ntitle =', "path: the harness works it out"),
    ],
)
def test_a_broken_file_names_key_and_what_is_allowed(old, new, message, tmp_path):
    line = SEED.read_text().partition(old)[0].count("\n") + 1
    with pytest.raises(UsageError, match=message.replace("LINE", str(line))) as error:
        read_stage(edited(tmp_path, old, new))
    assert str(tmp_path / "mine.md") in str(error.value)


def test_a_stage_without_a_body(tmp_path):
    path = tmp_path / "mine.md"
    path.write_text(SEED.read_text().partition("Params:")[0])
    with pytest.raises(UsageError, match="body: String should have at least 1 character"):
        read_stage(path)


def test_windows_line_ends_change_nothing(tmp_path):
    path = tmp_path / "final_micro_tuning.md"
    path.write_bytes(SEED.read_bytes().replace(b"\n", b"\r\n"))
    assert read_stage(path).render_body() == load_stage("final_micro_tuning").render_body()
    assert read_stage(path).hash == load_stage("final_micro_tuning").hash


def test_numbers_of_advice_are_free(tmp_path):
    path = edited(tmp_path, "Autotune:", "Autotune:\n- Try 3 or 4 at first <!-- advice -->")
    assert "- Try 3 or 4 at first\n" in read_stage(path).render_body()


@pytest.mark.parametrize("word", ["", "final", "final_mikro_tuning", "../stages/final_micro_tuning"])
def test_unknown_stages(word):
    with pytest.raises(UsageError, match=f"unknown stage '{word}'.*final_micro_tuning"):
        load_stage(word)
