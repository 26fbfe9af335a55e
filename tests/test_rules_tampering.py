"""The tampering rules, each with ways round a pattern that would look for names in the text."""

import pytest
from rule_candidates import (
    IMPORTS,
    KERNEL,
    MODEL,
    WHOLE,
    WRAPPER,
    among_wrappers,
    at_end,
    errors,
    in_forward,
    in_init,
    in_kernel,
    in_wrapper,
)

from eval.records import Violation
from eval.rules import check_code, reason_for

FORWARD = {
    "clock": [
        "import time\nt = time.perf_counter()",
        "from time import sleep as rest\nrest(1)",
        "import time as t\nt.sleep(0.2)",
        "import datetime\nd = datetime.datetime.now()",
        "e = torch.cuda.Event(enable_timing=True)",
        "E = torch.cuda.Event",
        "e = getattr(torch.cuda, 'Event')()",
        "m = triton.testing.do_bench(lambda: launch(x))",
        "p = torch.profiler.profile()",
        "t = self.start.elapsed_time(self.end)",
        "torch.cuda._sleep(1000)",
    ],
    "streams": [
        "s = torch.cuda.Stream()",
        "with torch.cuda.stream(self.s):\n    launch(x)",
        "s = torch.cuda.current_stream()",
        "c = torch.cuda\ns = c.Stream()",
        "x.record_stream(self.s)",
        "self.s.wait_stream(self.t)",
        "torch.cuda.set_stream(self.s)",
    ],
    "cuda_graphs": [
        "g = torch.cuda.CUDAGraph()",
        "with torch.cuda.graph(self.g):\n    launch(x)",
        "f = torch.cuda.make_graphed_callables(launch, (x,))",
        "self.g.capture_begin()",
    ],
    "processes": [
        "import threading\nthreading.Thread(target=launch).start()",
        "from concurrent.futures import ThreadPoolExecutor\np = ThreadPoolExecutor()",
        "import multiprocessing as mp\nmp.Process(target=launch).start()",
        "import subprocess\nsubprocess.run(['ls'])",
        "import asyncio\nasyncio.run(None)",
        "torch.multiprocessing.spawn(launch)",
        "y = x.share_memory_()",
        "torch.distributed.init_process_group()",
    ],
    "gc": [
        "import gc\nobjects = gc.get_objects()",
        "from gc import get_referrers as g\nr = g(x)",
        "import weakref\nr = weakref.ref(x)",
    ],
    "frames": [
        "import inspect\ns = inspect.stack()",
        "f = self.frame.f_back.f_locals",
        "g = launch.__globals__, globals()",
        "v = locals()",
        "v = vars(self)",
        "try:\n    raise ValueError\nexcept ValueError as e:\n    f = e.__traceback__.tb_frame\n    raise",
        "f = (i for i in ()).gi_frame",
        "import traceback\ntraceback.extract_stack()",
        "names = dir(torch)",
    ],
    "sys_modules": [
        "import sys\nm = sys.modules",
        "from sys import modules as m\nmain = m['__main__']",
        "import sys\nsys.setprofile(None)",
        "import __main__\n__main__.compare = None",
        "s = torch.sys.modules",
    ],
    "native": [
        "import ctypes\nctypes.string_at(0)",
        "from ctypes import CDLL\nCDLL(None)",
        "import mmap\nmmap.mmap(-1, 1)",
        "m = torch.utils.cpp_extension.load_inline('x', '')",
        "a = x.__cuda_array_interface__",
        "p = torch.utils.dlpack.to_dlpack(x)",
    ],
    "patching": [
        "torch.cuda.synchronize = lambda: None",
        "torch.cuda.Event.elapsed_time = None",
        "T = torch\nT.rand = None",
        "E = torch.cuda.Event\nE.record = None",
        "setattr(torch, 'rand', None)",
        "delattr(torch, 'rand')",
        "del torch.rand",
        "torch.backends.cudnn.enabled = False",
        "torch.rand, y = None, 1",
        "for torch.rand in [None]:\n    pass",
        "with torch.no_grad() as torch.rand:\n    pass",
        "nn.Module.__call__ = None",
        "type(x).shape = None",
        "add_one.fn = launch",
        "add_one.configs = []",
        "self.register_forward_hook(launch)",
        "nn.modules.module.register_module_forward_hook(launch)",
        "x.register_hook(launch)",
        "add_one.add_pre_run_hook(launch)",
        "torch.utils.hooks.x['a'] = 1",
        "setattr(self, 'a' + 'b', 1)",
        "torch.nn.init.x += 1",
        "c = triton.Config({})\nc.pre_hook = launch",
        "x.data = launch(x)",
    ],
    "dynamic_code": [
        "exec('import os')",
        "y = eval('x')",
        "c = compile('1', '', 'eval')",
        "o = __import__('os')",
        "e = exec\ne('1')",
        "[exec][0]('1')",
        "import importlib\nimportlib.import_module('os')",
        "from importlib import import_module\nimport_module('os')",
        "f = getattr(torch, 'cum' + 'sum')",
        "f = getattr(torch, self.name)",
        "f = getattr(x, f'{1}')",
        "kind = getattr(tl, str(x.dtype).split('.')[-1])",
        "s = setattr",
        "g = getattr\nf = g(torch, 'cumsum')",
        "import operator\nf = operator.attrgetter('cumsum')",
        "import base64\nb = base64.b64decode('')",
        "import types\nf = types.FunctionType",
        "c = type('C', (), {})",
        "y = launch(torch)",
        "a, b = torch, nn",
        "self.t = torch",
        "mods = [torch, nn]",
        "def f(t=torch):\n    return t",
        "match x:\n    case object(shape=s):\n        pass",
        "c = torch.nn\ny = launch(c.functional)",
    ],
    "operator_registration": [
        "lib = torch.library.Library('a', 'DEF')",
        "f = torch.library.custom_op('a::b', launch)",
        "torch.ops.load_library('x.so')",
    ],
    "environment": [
        "import os\nv = os.environ",
        "from os import environ as e\nv = e['A']",
        "import os.path\nv = os.path.exists('a')",
        "import os\nos._exit(0)",
        "import platform\nv = platform.node()",
        "v = self.o.environ",
    ],
    "files": [
        "f = open('a')",
        "o = open\nf = o('a')",
        "torch.save(x, 'a')",
        "y = torch.load('a')",
        "from pathlib import Path\np = Path('a')",
        "import io\nf = io.open('a')",
        "import pickle\npickle.dumps(x)",
        "import tempfile\nt = tempfile.gettempdir()",
        "m = torch.hub.load('a', 'b')",
    ],
    "network": ["import socket\ns = socket.socket()", "from urllib.request import urlopen\nurlopen('a')"],
    "exit_hooks": ["import atexit\natexit.register(launch)", "import signal\nsignal.alarm(1)"],
    "builtins": [
        "import builtins\nbuiltins.sorted = None",
        "from builtins import exec as e\ne('1')",
        "b = __builtins__",
    ],
    "process_exit": [
        "raise SystemExit(0)",
        "raise KeyboardInterrupt",
        "exit()",
        "e = quit",
        "try:\n    y = 1\nexcept BaseException:\n    raise",
        "class E(BaseException):\n    pass",
    ],
    "dispatch": [
        "class T(torch.Tensor):\n    pass",
        "class T(torch.nn.Parameter):\n    pass",
        "t = torch.Tensor._make_subclass(torch.Tensor, x)",
        "t = x.as_subclass(torch.Tensor)",
        "f = torch.overrides.TorchFunctionMode",
        "from torch.utils._python_dispatch import TorchDispatchMode\nm = TorchDispatchMode()",
    ],
    "dunder": [
        "c = x.__class__",
        "s = nn.Module.__subclasses__()",
        "g = launch.__globals__",
        "c = launch.__code__",
        "d = self.__dict__",
        "b = type(self).__bases__",
        "y = x.__add__(x)",
        "y = torch.add.__call__(x, x)",
        "y = getattr(x, '__class__')",
        "m = self.__module__",
        "f = __file__",
        "n = __name__",
        "self.__class__ = None",
        "class C:\n    def __getattr__(self, name):\n        return 1",
        "class C:\n    def __del__(self):\n        pass",
        "class C:\n    def __torch_function__(self):\n        pass",
        "class C(metaclass=type):\n    pass",
        "class C(type(x)):\n    pass",
        "class C:\n    __call__ = launch\n    __exit__ = launch",
    ],
    "mode_detection": [
        "b = triton.knobs.runtime.interpret",
        "k = triton\nb = k.knobs",
        "b = torch.compiler.is_compiling()",
        "b = torch.jit.is_tracing()",
        "b = x.is_meta",
        "b = x.device.type == 'meta'",
        "b = type(add_one)",
        "b = hasattr(add_one, 'cache')",
        "b = isinstance(add_one, object)",
        "k = add_one\nb = type(k)",
        "b = {'TRITON_INTERPRET': 1}",
        "b = 'Interpreted' in f'{add_one}'",
        "b = 'Interpreted' in '%s' % add_one",
        "b = '{}'.format(add_one)",
        "b = add_one.cache",
        "b = add_one == 1",
        "b = torch.is_grad_enabled()",
        "b = 'Interpreted' in repr(tl.cumsum)",
        "b = str(type(tl.cumsum))",
        "b = f'{tl.softmax}'",
        "b = hasattr(tl.sum, 'fn')",
        "b = id(triton.cdiv)",
        "f = tl.cumsum\nb = type(f)",
        "b = tl.cumsum.fn",
    ],
    "global_state": [
        "torch.manual_seed(0)",
        "torch.set_default_dtype(torch.float16)",
        "torch.set_float32_matmul_precision('high')",
        "g = torch.Generator()",
        "s = torch.get_rng_state()",
        "import random\nr = random.random()",
    ],
    "allocator": [
        "torch.cuda.empty_cache()",
        "s = x.untyped_storage()",
        "x.set_(x)",
        "x.resize_(4)",
        "m = torch.cuda.memory_stats()",
        "m = torch.cuda.memory.CUDAPluggableAllocator",
    ],
    "devices": [
        "n = torch.cuda.device_count()",
        "torch.cuda.set_device(0)",
        "torch.cuda.set_device(self.dim)",
        "torch.cuda.set_device(x.device.index + 1)",
        "torch.cuda.set_device(*[x.device])",
        "f = torch.cuda.set_device\nf(self.dim)",
        "list(map(torch.cuda.set_device, [1]))",
        "y = x.to('cuda:1')",
        "y = x.to(1)",
        "y = x.cuda(1)",
        "d = torch.device('cuda', 1)",
        "d = torch.device('cuda', self.dim + 1)",
        "d = torch.device(f'cuda:{self.dim}')",
        "d = 'cuda:%d' % 1",
        "y = torch.empty(1, device=1)",
        "i = (x.device.index + 1) % 2",
        "with torch.cuda.device(1):\n    launch(x)",
    ],
    "internals": [
        "c = torch._C",
        "c = torch._C._VariableFunctions.cumsum",
        "d = torch._dynamo",
        "k = triton.compiler.compile",
        "k = triton.runtime.cache",
        "triton.runtime.driver.set_active(None)",
        "m = self._modules['a']",
        "g = triton.experimental.gluon",
        "y = x._cumsum()",
        "y = self._slow_forward(x)",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "snippet"), [(rule, snippet) for rule in FORWARD for snippet in FORWARD[rule]]
)
def test_rejected_in_forward_and_in_lenient_mode_too(rule, snippet):
    code = in_forward(snippet)
    assert rule in errors(code)
    assert rule in errors(code, "lenient")
    assert reason_for(check_code(code, mode="strict").errors) == "tampering"


@pytest.mark.parametrize("rule", FORWARD)
def test_rejected_wherever_it_stands(rule):
    snippet = FORWARD[rule][0]
    assert rule in errors(in_init(snippet))
    assert rule in errors(in_wrapper(snippet))
    unused = "def unused(self, x):\n" + "".join(f"    {line}\n" for line in snippet.split("\n"))
    assert rule in errors(among_wrappers(unused))


def decorated(decorators):
    return WHOLE.replace("@triton.jit\n", decorators + "@triton.jit\n")


HOOKS = {
    "pre_hook of a config": decorated(
        "@triton.autotune(configs=[triton.Config({'BLOCK': 64}, pre_hook=print)], key=['n'])\n"
    ),
    "positional pre_hook": decorated(
        "@triton.autotune(configs=[triton.Config({'BLOCK': 64}, 4, 2, 1, None, print)], key=['n'])\n"
    ),
    "ir_override": decorated(
        "@triton.autotune(configs=[triton.Config({'BLOCK': 64}, ir_override='a.ttir')], key=['n'])\n"
    ),
    "do_bench": decorated("@triton.autotune(configs=[], key=['n'], do_bench=lambda f, quantiles: [1.0])\n"),
    "pre_hook": decorated("@triton.autotune(configs=[], key=['n'], pre_hook=lambda a, b: None)\n"),
    "post_hook": decorated("@triton.autotune(configs=[], key=['n'], post_hook=lambda a, b: None)\n"),
    "hidden options": decorated("@triton.autotune(**{'configs': [], 'key': []})\n"),
    "hidden options of a config": decorated("@triton.autotune([triton.Config(**{'kwargs': {}})], ['n'])\n"),
    "positional pruning": decorated("@triton.autotune([], ['n'], {'early_config_prune': print})\n"),
    "pruning that launches": decorated(
        "@triton.autotune([], ['n'], prune_configs_by={'perf_model': lambda **k: add_one[(1,)](1)})\n"
    ),
    "pruning that writes": decorated(
        "@triton.autotune([], ['n'], prune_configs_by={'early_config_prune': lambda c, a, **k: "
        "a['x_ptr'].copy_(a['out_ptr'])})\n"
    ),
    "pruning that is hidden": decorated(
        "@triton.autotune([], ['n'], prune_configs_by=dict(perf_model=print))\n"
    ),
    "pruning by a builtin": decorated(
        "@triton.autotune([], ['n'], prune_configs_by={'perf_model': print})\n"
    ),
    "heuristic that writes": decorated("@triton.heuristics({'BLOCK': lambda a: a['x_ptr'].zero_()})\n"),
    "heuristic that moves": decorated("@triton.heuristics({'BLOCK': lambda a: a['x_ptr'].clone()})\n"),
    "heuristic that is computed": decorated("@triton.heuristics(dict(BLOCK=lambda a: 1))\n"),
    "launch metadata": WHOLE.replace("@triton.jit", "@triton.jit(launch_metadata=lambda *a: {})"),
    "repr": WHOLE.replace("@triton.jit", "@triton.jit(repr=lambda s: 'x')"),
    "own decorator": decorated("@staticmethod\n"),
    "imported decorator": decorated("@torch.no_grad()\n"),
    "pre_hook out of a decorator": in_forward("c = triton.Config({}, pre_hook=launch)"),
}


@pytest.mark.parametrize("code", HOOKS.values(), ids=HOOKS)
def test_launch_hooks(code):
    assert "launch_hooks" in errors(code)


PRUNE = """

def prune(configs, named_args, **kwargs):
    n = named_args['n']
    return [c for c in configs if c.kwargs['BLOCK'] <= triton.next_power_of_2(n)]
"""
NO_HOOKS = {
    "configs": decorated(
        "@triton.autotune(configs=[triton.Config({'BLOCK': b}, num_warps=4) for b in (64, 128)], key=['n'],"
        " reset_to_zero=['out_ptr'], restore_value=['x_ptr'], warmup=25, rep=100)\n"
    ),
    "heuristics": decorated(
        "@triton.heuristics({'BLOCK': lambda a: max(64, min(1024, triton.next_power_of_2(a['n'])))})\n"
    ),
    "heuristics of a tensor": decorated(
        "@triton.heuristics({'EVEN': lambda a: a['x_ptr'].numel() % a['BLOCK'] == 0 and a['n'] > 2})\n"
    ),
    "pruning": decorated(
        "@triton.autotune([], ['n'], prune_configs_by={'early_config_prune': prune, 'top_k': 4})\n"
    ).replace(KERNEL[:4], PRUNE + KERNEL[:4], 1),
    "perf model": decorated(
        "@triton.autotune([], ['n'], prune_configs_by={'perf_model': lambda **k: k['n'] / k['BLOCK']})\n"
    ),
}


@pytest.mark.parametrize("code", NO_HOOKS.values(), ids=NO_HOOKS)
def test_tuning_without_hooks(code):
    assert errors(code) <= {"order"}


ENCODINGS = {
    "rot13": "# -*- coding: rot13 -*-\n" + WHOLE,
    "latin in the second line": "# title\n# vim: set fileencoding=latin-1 :\n" + WHOLE,
    "text that runs backwards": in_forward("y = 'a\u202eb'"),
    "isolated text": WHOLE + "# \u2066 comment\n",
}


@pytest.mark.parametrize("code", ENCODINGS.values(), ids=ENCODINGS)
def test_encodings(code):
    assert errors(code) == {"encoding"}


HONEST = [
    "name = self.__class__.__name__",
    "name = type(self).__name__",
    "new = triton.__version__ >= '3.0' and torch.__version__ > '2'",
    "hip = torch.version.hip is not None",
    "has = hasattr(tl, 'make_tensor_descriptor')",
    "kind = getattr(tl, 'float32')",
    "plain = type(x) is torch.Tensor and isinstance(x, torch.Tensor)",
    "x = x.to('cuda'), x.to(x.device), x.cuda(), x.to('cuda:0')",
    "time = 3; sys = time + 1; os = sys",
    "class Plan:\n    def __init__(self, n):\n        self.n = n\n    def __repr__(self):\n        return ''",
    "class WrongShape(ValueError):\n    pass",
    "setattr(self, 'rows', 4)",
    "self._rows = 4; y = self._rows",
    "self.kernel = add_one; grid = (1,); self.kernel[grid](x, x, 1, BLOCK=1)",
    "y = torch.empty(1, device=0), torch.empty(1, device='cuda')",
    "self.p = nn.Parameter(torch.zeros(1)); self.p.data = torch.ones(1)",
    "self.count = 1; self.cache = {}; self.cache[x.shape] = 1",
    "torch.cuda.synchronize()",
    "target = triton.runtime.driver.active.get_current_target()",
    "compiled = add_one.warmup(x, x, 1, BLOCK=1, grid=(1,)); r = compiled.n_regs + compiled.n_spills",
    "config = add_one.best_config if self.dim else None",
    "descriptor = triton.tools.tensor_descriptor.TensorDescriptor.from_tensor(x, [1, 64])",
    "triton.set_allocator(lambda size, align, stream: torch.empty(size, dtype=torch.int8, device='cuda'))",
    "environ, modules, frame = 1, 2, 3",
    "note = 'exec(open(\"/etc/passwd\")) import os; os.environ'",
    "self.event = 1; y = self.event; self.replay = 2; z = self.replay",
    "nonlocal_like = [0]; nonlocal_like[0] += 1",
    "with torch.cuda.device(x.device.index):\n    launch(x)",
    "with torch.cuda.device_of(x):\n    launch(x)",
    "torch.cuda.set_device(x.device); torch.cuda.set_device(x.device.index)",
    "torch.cuda.set_device(x.get_device())",
]


@pytest.mark.parametrize("snippet", HONEST)
def test_honest_code_that_looks_like_it(snippet):
    assert errors(in_forward(snippet)) == set()


@pytest.mark.parametrize(
    "comment", ["# -*- coding: utf-8 -*-", "# encoding: ascii", "# the coding of blocks"]
)
def test_honest_comments(comment):
    assert errors(comment + "\n" + WHOLE) == set()


def test_what_the_main_guard_and_get_inputs_hold_is_not_tampering():
    code = at_end(
        "def get_inputs():\n    import os\n    return [torch.rand(2)]\n\n\n"
        "if __name__ == '__main__':\n    import time\n    time.sleep(1)\n    print(launch(torch.ones(2)))\n"
    )
    assert errors(code) == {"get_inputs", "main_guard"}
    assert reason_for(check_code(code, mode="strict").errors) == "output_rules"


def test_a_guard_that_is_no_guard_hides_nothing():
    code = at_end("if __name__ == '__main__' or True:\n    import time\n    time.sleep(1)\n")
    assert {"clock", "dunder"} <= errors(code)
    code = at_end("if __name__ == '__main__':\n    pass\nelse:\n    open('a')\n")
    assert {"files", "main_guard"} <= errors(code)


@pytest.mark.parametrize(
    "snippet", ["e = exec", "o = open('a')", "import os\ne = os.environ", "t = torch._C"]
)
def test_kernels_are_no_hiding_place(snippet):
    assert errors(in_kernel(snippet)) & {
        "dynamic_code",
        "files",
        "environment",
        "kernel_escape",
        "library_compute",
    }


def test_star_imports_hide_nothing_where_imports_are_lenient():
    code = IMPORTS + "from torch import *\n" + KERNEL + WRAPPER + MODEL
    assert errors(code, "lenient") == {"dynamic_code"}


def test_a_decorated_encoding_of_a_long_name_makes_no_long_message():
    code = in_forward("y = torch._C." + "a" * 10_000)
    assert max(len(found.message) for found in check_code(code, mode="strict").errors) <= 400


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (("imports", "order"), "output_rules"),
        (("imports", "library_compute"), "library_compute"),
        (("fallback", "launch"), "library_compute"),
        (("library_compute", "clock"), "tampering"),
        (("kernel_escape",), "output_rules"),
    ],
)
def test_the_gravest_rule_gives_the_reason(rules, reason):
    made = [Violation(rule=rule, track="open", severity="error", message="") for rule in rules]
    warned = Violation(rule="clock", track="open", severity="warning", message="")
    assert reason_for([*made, warned]) == reason
