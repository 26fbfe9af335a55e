"""GPU files: names and aliases, the limits of each compute capability, figures that agree with each other."""

import pytest

from harness.data import prompts_dir
from harness.errors import UsageError
from harness.prompts.gpu_records import AmdGpu, NvidiaGpu
from harness.prompts.gpus import gpu_names, load_gpu, read_gpu

# Threads an SM, blocks an SM, shared KiB an SM: CUDA's table of technical specifications.
CAPABILITY = {
    "7.0": (2048, 32, 96),
    "7.5": (1024, 16, 64),
    "8.0": (2048, 32, 164),
    "8.6": (1536, 16, 100),
    "8.7": (1536, 16, 164),
    "8.9": (1536, 24, 100),
    "9.0": (2048, 32, 228),
    "10.0": (2048, 32, 228),
    "10.3": (2048, 32, 228),
    "12.0": (1536, 24, 100),
    "12.1": (1536, 24, 100),
}
SEED = prompts_dir() / "gpus" / "4090.toml"


@pytest.fixture(params=gpu_names())
def gpu(request):
    return load_gpu(request.param)


def test_there_are_41_under_names_that_need_no_quoting():
    assert len(gpu_names()) == 41
    assert all(name.replace("_", "").isalnum() and name == name.lower() for name in gpu_names())


def test_every_word_for_a_gpu_finds_it(gpu):
    for word in (
        gpu.name,
        gpu.label,
        gpu.name.upper(),
        gpu.name.replace("_", ""),
        gpu.product,
        *gpu.aliases,
        *gpu.device_names,
        *gpu.legacy_device_names,
    ):
        assert load_gpu(word) == gpu


def test_no_device_name_belongs_to_two():
    names = [word for name in gpu_names() for word in load_gpu(name).device_names]
    assert len(names) == len(set(names))
    assert len(names) >= 40


def test_limits_of_the_compute_capability(gpu):
    if isinstance(gpu, AmdGpu):
        assert gpu.max_wavefronts_per_cu * gpu.wavefront_size == gpu.max_threads_per_cu
        return
    threads, blocks, shared_kib = CAPABILITY[gpu.compute_capability]
    assert gpu.max_threads_per_sm == threads == gpu.max_warps_per_sm * gpu.warp_size
    assert gpu.max_blocks_per_sm == blocks
    assert gpu.shared_memory_per_sm_kib == shared_kib
    # From 8.0 on the system keeps 1 KiB of shared memory a block.
    kept = 0 if gpu.compute_capability.startswith("7") else 1
    assert gpu.max_shared_memory_per_block_kib == shared_kib - kept
    assert (gpu.max_threads_per_block, gpu.warp_size) == (1024, 32)
    assert (gpu.max_registers_per_thread, gpu.registers_per_sm) == (255, 65536)


def test_figures_agree_with_their_formulas(gpu):
    pins = 2 * gpu.memory_clock_mhz * gpu.memory_bus_bits / 8 / 1000
    assert gpu.memory_bandwidth_gb_per_s == pytest.approx(pins, rel=0.03)
    units, rate = (
        (gpu.num_sms, gpu.fp16_tensor_flops_per_clk_per_sm)
        if isinstance(gpu, NvidiaGpu)
        else (gpu.num_compute_units, gpu.fp16_matrix_flops_per_clk_per_cu)
    )
    assert gpu.fp16_tflops == pytest.approx(units * rate * gpu.fp16_peak_clock_mhz / 1e6, rel=0.005)


def test_seed_gpu():
    gpu = load_gpu("4090")
    assert (gpu.label, gpu.product, gpu.aliases) == ("4090", "GeForce RTX 4090", ("rtx_4090",))
    assert load_gpu("NVIDIA GeForce RTX 4090").name == "4090"
    assert load_gpu("NVIDIA GeForce RTX 4090 D").name == "4090_d"


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("h1000", "h100"),
        ("rtx4091", "4090"),
        ("A100", "a100_40gb_pcie, a100_40gb_sxm, a100_80gb_pcie, a100_80gb_sxm"),
        ("MI300", "mi300x"),
        ("NVIDIA L4S", "l40s"),
    ],
)
def test_unknown_names_list_the_nearest(word, near):
    with pytest.raises(UsageError, match=rf"unknown GPU '{word}'; the nearest: .*{near}"):
        load_gpu(word)


@pytest.mark.parametrize("word", ["", "  ", "../gpus/4090", "zzzzzz", "NVIDIA"])
def test_words_that_are_near_nothing(word):
    with pytest.raises(UsageError, match="`kernel-harness gpus` lists them all"):
        load_gpu(word)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "memory_bandwidth_gb_per_s",
            "memory_bandwidth",
            "unknown key 'memory_bandwidth'; the nearest: memory_ba",
        ),
        ("l2_cache_mib = 72\n", "", "l2_cache_mib: Field required"),
        ("num_sms = 128", "num_sms = 0", "num_sms: Input should be greater than 0"),
        ("num_sms = 128", 'num_sms = "many"', "num_sms: Input should be a valid integer"),
        ("num_sms = 128", "num_compute_units = 128", "unknown key 'num_compute_units'"),
        ('vendor = "NVIDIA"', 'vendor = "Intel"', "vendor: is 'Intel'; there are: NVIDIA, AMD"),
        ('vendor = "NVIDIA"\n', "", "vendor: is None; there are: NVIDIA, AMD"),
        ('label = "4090"', 'name = "x"\nlabel = "4090"', "name: the harness works it out"),
        (
            "max_blocks_per_sm = 24",
            "max_blocks_per_sm = 16",
            "max_blocks_per_sm: is 16; compute capability 8.9 has 24",
        ),
        (
            "max_warps_per_sm = 48",
            "max_warps_per_sm = 64",
            "max_threads_per_sm: is not max_warps_per_sm times",
        ),
        ("tf32_tflops = 82.6\n", "", "tf32 has no rate: give tf32_tflops or name tf32 in `unsupported`"),
        (
            'unsupported = ["fp4"]',
            'unsupported = ["fp4", "fp8"]',
            "fp8 has a rate and stands in `unsupported`",
        ),
        ("sources = [", "sources = []\nold = [", "unknown key 'old'"),
        ("num_sms = 128", "num_sms = = 128", r"not valid TOML: .*\(at line 18, column 11\)"),
    ],
)
def test_a_broken_file_names_key_and_what_is_allowed(old, new, message, tmp_path):
    text = SEED.read_text()
    assert old in text
    path = tmp_path / "my_gpu.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError, match=rf"my_gpu\.toml: {message}"):
        read_gpu(path)


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "my_gpu.toml"
    path.write_text(SEED.read_text().replace('label = "4090"', 'label = "Mine"'))
    gpu = load_gpu(str(path))
    assert (gpu.name, gpu.label) == ("my_gpu", "Mine")
    assert gpu.hash != load_gpu("4090").hash
