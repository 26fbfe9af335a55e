"""Imported things that a candidate has no business with: dotted prefix, rule and what to do instead.

The longest prefix wins. The same rules also know the attribute names that give such a thing away on a
value whose origin cannot be seen.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import NamedTuple


class Reason(NamedTuple):
    """A tampering rule and its advice."""

    rule: str
    advice: str


CLOCK = Reason("clock", "leave all timing to the judge; a candidate reads no clock and does not sleep")
STREAMS = Reason("streams", "launch on the current stream only; do not create, switch or record streams")
GRAPHS = Reason("cuda_graphs", "launch the kernels in every call; do not capture or replay CUDA graphs")
PROCESSES = Reason("processes", "do the work in this thread of this process; start no others")
GC = Reason("gc", "leave the garbage collector and other objects' lifetimes alone")
FRAMES = Reason("frames", "do not look at frames, tracebacks, code objects or profiles")
SYS = Reason("sys_modules", "leave the interpreter and its loaded modules alone")
NATIVE = Reason("native", "write the kernel in Triton; load and call no native code")
DYNAMIC = Reason("dynamic_code", "write the code out; build, import or evaluate none while running")
OPERATORS = Reason("operator_registration", "call your kernels directly; register no operators")
ENVIRONMENT = Reason("environment", "do not read or change environment, processes or paths")
FILES = Reason("files", "compute from the inputs alone; read and write no files")
NETWORK = Reason("network", "compute from the inputs alone; open no connections")
EXIT = Reason("exit_hooks", "register nothing that runs at exit, on signals or on finalization")
BUILTINS = Reason("builtins", "leave Python's builtins alone")
DISPATCH = Reason("dispatch", "do not intercept torch's operators; return plain tensors")
HOOKS = Reason("patching", "leave torch, triton and their classes as they are; install no hooks")
MODE = Reason("mode_detection", "do the same work in every mode; do not ask how the code is being run")
SETTINGS = Reason("global_state", "leave global settings and random state as they are")
MEMORY = Reason("allocator", "allocate by torch.empty and its like; leave the allocator alone")
DEVICES = Reason("devices", "use the device of the inputs, by x.device, and no other")
PROCESS_EXIT = Reason(
    "process_exit", "raise an ordinary Exception; do not end the process or escape its handlers"
)
TESTING = Reason("testing_code", "leave testing to the judge")
INTERNALS = Reason("internals", "use the public interface; internals of torch and triton are off limits")


def table(*rows: tuple[Reason, str]) -> dict[str, Reason]:
    """Return the reason of each word, from rows of a reason and its words."""
    return {word: reason for reason, words in rows for word in words.split()}


STANDARD_LIBRARY = table(
    (CLOCK, """
        time timeit datetime sched cProfile profile pstats
    """),
    (PROCESSES, """
        threading _thread concurrent asyncio queue multiprocessing subprocess pty selectors greenlet
        joblib ray
    """),
    (GC, """
        gc weakref
    """),
    (FRAMES, """
        inspect traceback linecache dis opcode pdb bdb trace faulthandler tracemalloc
    """),
    (SYS, """
        sys _imp site sysconfig __main__ eval harness
    """),
    (NATIVE, """
        ctypes _ctypes cffi mmap pycuda cupy_backends pynvml
    """),
    (DYNAMIC, """
        importlib imp pkgutil runpy code codeop marshal codecs base64 binascii zlib ast types zipimport
        operator.attrgetter operator.methodcaller string.Formatter typing.get_type_hints
        typing.ForwardRef dataclasses.make_dataclass
    """),
    (ENVIRONMENT, """
        os posix platform resource pwd getpass psutil
    """),
    (FILES, """
        io pathlib tempfile shutil glob pickle shelve sqlite3 dbm csv fileinput _io dill cloudpickle
        fcntl logging.FileHandler
    """),
    (NETWORK, """
        socket urllib http requests ssl ftplib smtplib httpx aiohttp
    """),
    (EXIT, """
        atexit signal
    """),
    (BUILTINS, """
        builtins __builtin__
    """),
    (HOOKS, """
        mock unittest.mock
    """),
    (TESTING, """
        unittest pytest doctest
    """),
    (SETTINGS, """
        random secrets
    """),
)  # fmt: skip

TORCH_AND_TRITON = table(
    (CLOCK, """
        torch.cuda.Event torch.profiler torch.autograd.profiler torch.cuda.profiler torch.cuda.nvtx
        torch.utils.benchmark torch.autograd.profiler_util triton.testing triton.profiler
        torch.cuda._sleep torch.utils.flop_counter torch.mps.profiler torch.Event torch.cuda.clock_rate
    """),
    (STREAMS, """
        torch.cuda.Stream torch.cuda.ExternalStream torch.cuda.stream torch.cuda.streams
        torch.cuda.StreamContext torch.cuda.set_stream torch.cuda.default_stream torch.Stream
        torch.cuda.current_stream torch.accelerator.set_stream torch.accelerator.current_stream
        torch.cuda.get_stream_from_external
    """),
    (GRAPHS, """
        torch.cuda.CUDAGraph torch.cuda.graph torch.cuda.graphs torch.cuda.make_graphed_callables
        torch.cuda.graph_pool_handle torch.cuda.is_current_stream_capturing
    """),
    (PROCESSES, """
        torch.multiprocessing torch.distributed torch.futures torch.set_num_threads
        torch.set_num_interop_threads torch.utils.data torch.jit.fork torch.nn.DataParallel
        torch.nn.parallel
    """),
    (OPERATORS, """
        torch.library torch.utils.cpp_extension.load_library torch.ops.load_library
    """),
    (NATIVE, """
        torch.utils.cpp_extension torch.cuda.cudart torch.classes torch.cuda._compile_kernel
        torch.utils.dlpack torch.from_dlpack torch.to_dlpack
    """),
    (FILES, """
        torch.save torch.load torch.hub torch.serialization torch.from_file torch.package
        torch.UntypedStorage torch.storage torch.export.save torch.export.load
    """),
    (DISPATCH, """
        torch.overrides torch.utils._python_dispatch torch.Tensor.as_subclass torch.utils._pytree
    """),
    (TESTING, """
        torch.testing
    """),
    (HOOKS, """
        torch.nn.modules.module torch.autograd.graph torch.utils.hooks torch.fx.wrap
        torch.nn.utils.parametrize
    """),
    (MODE, """
        triton.knobs torch.compiler.is_compiling torch.compiler.is_dynamo_compiling
        torch.compiler.is_exporting torch.jit.is_tracing torch.jit.is_scripting
        torch.autograd._profiler_enabled torch._C._get_tracing_state torch._guards torch._subclasses
        torch.is_inference_mode_enabled torch.is_grad_enabled triton.runtime.interpreter
    """),
    (SETTINGS, """
        torch.manual_seed torch.seed torch.random torch.set_rng_state torch.get_rng_state
        torch.cuda.manual_seed torch.cuda.manual_seed_all torch.cuda.random torch.cuda.set_rng_state
        torch.Generator torch.default_generator torch.initial_seed torch.cuda.initial_seed
        torch.backends torch.set_default_device torch.set_default_dtype torch.set_default_tensor_type
        torch.set_printoptions torch.set_float32_matmul_precision torch.use_deterministic_algorithms
        torch.set_flush_denormal torch.set_warn_always torch.utils.deterministic
        torch.set_deterministic_debug_mode
    """),
    (MEMORY, """
        torch.cuda.memory torch.cuda.empty_cache torch.cuda.caching_allocator_alloc
        torch.cuda.caching_allocator_delete torch.cuda.MemPool torch.cuda.use_mem_pool
        torch.cuda.memory_snapshot torch.cuda.memory_stats torch.cuda.memory_allocated
        torch.cuda.memory_reserved torch.cuda.max_memory_allocated torch.cuda.mem_get_info
        torch.cuda.set_per_process_memory_fraction torch.cuda.ipc_collect
        torch.cuda.reset_peak_memory_stats torch.cuda.list_gpu_processes
    """),
    (DEVICES, """
        torch.cuda.device_count torch.cuda.can_device_access_peer torch.cuda.comm
        torch.accelerator.set_device_index torch.accelerator.device_count torch.accelerator.device_index
    """),
    (INTERNALS, """
        torch.cuda.utilization torch.cuda.temperature torch.cuda.power_draw torch._C torch._dynamo
        torch._inductor torch._prims torch._refs torch._decomp triton.runtime triton.compiler
        triton.backends triton.compile triton.tools triton.JITFunction triton.reinterpret
        triton.TensorWrapper triton.MockTensor triton.KernelInterface triton.experimental triton._C
        triton.language.core._semantic torch.utils.collect_env torch.utils.model_zoo
        torch.utils.show_pickle
    """),
)  # fmt: skip

ATTRIBUTES = table(
    (FRAMES, """
        f_back f_locals f_globals f_code f_builtins f_lineno tb_frame tb_next gi_frame cr_frame ag_frame
        gi_code co_code co_consts _getframe settrace setprofile with_traceback
    """),
    (CLOCK, """
        elapsed_time perf_counter perf_counter_ns time_ns process_time do_bench do_bench_cudagraph
    """),
    (STREAMS, """
        wait_stream record_stream cuda_stream wait_event
    """),
    (GRAPHS, """
        capture_begin capture_end CUDAGraph
    """),
    (PROCESSES, """
        share_memory_ share_memory is_shared
    """),
    (ENVIRONMENT, """
        environ getenv putenv unsetenv _exit getppid
    """),
    (MEMORY, """
        untyped_storage storage storage_type set_ resize_ resize_as_ _typed_storage const_data_ptr
        resize resize_as resize_as_sparse_
    """),
    (DISPATCH, """
        as_subclass _make_subclass _make_wrapper_subclass
    """),
    (HOOKS, """
        register_forward_hook register_forward_pre_hook register_full_backward_hook
        register_full_backward_pre_hook register_backward_hook register_module_forward_hook
        register_module_forward_pre_hook register_hook register_post_accumulate_grad_hook
        register_state_dict_pre_hook register_load_state_dict_post_hook _forward_hooks
        _forward_pre_hooks _backward_hooks add_pre_run_hook pre_run_hooks set_active compiled_hook pre_hook
        post_hook user_defined_pre_hook user_defined_post_hook user_defined_do_bench
        jit_post_compile_hook launch_enter_hook launch_exit_hook _compiled_call_impl module_load
    """),
    (MODE, """
        is_meta interpret _is_profiler_enabled InterpretedFunction
    """),
    (INTERNALS, """
        _modules _parameters _buffers _call_impl _slow_forward handle set_handle interpreter_builder
    """),
    (NATIVE, """
        __array__ __cuda_array_interface__ __dlpack__
    """),
)  # fmt: skip

HARMLESS = frozenset({
    "math", "cmath", "typing", "typing_extensions", "functools", "itertools", "dataclasses", "enum",
    "collections", "abc", "numbers", "contextlib", "warnings", "copy", "__future__", "string", "re",
    "logging", "fractions", "decimal", "textwrap", "json", "operator.mul", "operator.itemgetter",
})  # fmt: skip
"""Modules that neither compute on tensors nor reach outside; importing them is still against `imports`."""
_SUBMODULES = frozenset({"collections.abc"})


def tampering(path: str) -> Reason | None:
    """Return the rule that a dotted path breaks, whatever is done with it."""
    parts = path.split(".")
    known = TORCH_AND_TRITON if parts[0] in {"torch", "triton"} else STANDARD_LIBRARY
    for end in range(len(parts), 0, -1):
        reason = known.get(".".join(parts[:end]))
        if reason is not None:
            return reason
    inner = next((part for part in parts[1:] if part in STANDARD_LIBRARY and part not in _INNER_NAMES), None)
    if inner is not None:
        return STANDARD_LIBRARY[inner]
    return DYNAMIC if _is_hidden(parts) else None


def _is_hidden(parts: list[str]) -> bool:
    """Tell whether this is something that a harmless module happens to hold, such as another module."""
    if parts[0] not in HARMLESS or len(parts) == 1 or ".".join(parts[:2]) in _SUBMODULES:
        return False
    return parts[1] not in _public_names(parts[0])


@cache
def _public_names(module: str) -> frozenset[str]:
    try:
        loaded = import_module(module)
    except ImportError:
        return frozenset()
    return frozenset(getattr(loaded, "__all__", None) or dir(loaded))


_INNER_NAMES = frozenset({"random", "profile", "types", "code", "queue", "trace", "platform"})
"""Names that are modules of Python and also innocent parts of other libraries' paths."""
