"""Rules `library_compute` and `fallback`: what host code may use of torch, and what only kernels may do."""

import pytest
from rule_candidates import (
    IMPORTS,
    KERNEL,
    MODEL,
    WHOLE,
    WRAPPER,
    among_wrappers,
    errors,
    in_forward,
    in_init,
    in_kernel,
    in_wrapper,
    warnings,
)

from eval.rules import check_code
from eval.rules.allowed import TENSOR_ATTRIBUTES, TORCH, computes
from eval.rules.paths import ATTRIBUTES

LENIENT = IMPORTS + "import numpy as np\nimport torch.nn.functional as F\nfrom torch import cumsum as c\n"

LEGAL = [
    "b = hasattr(tl, 'make_tensor_descriptor')",
    "b = hasattr(triton.language, 'math')",
    "b = str(triton.__version__), f'{tl.bfloat16}', str(tl.float32)",
    "b = {torch.float32: tl.float32}[x.dtype] == tl.float32",
    "b = tl.float32.primitive_bitwidth, tl.float8e4nv.name",
    "b = triton.runtime.driver.active.get_current_target().arch",
    "b = isinstance(x.dtype, tl.dtype)",
    "for one in self.children():\n    b = isinstance(one, nn.Linear) or isinstance(one, (nn.ReLU, nn.Tanh))",
    "y = torch.empty(x.shape, device=x.device, dtype=x.dtype)",
    "y = torch.empty_like(x, memory_format=torch.contiguous_format)",
    "y = torch.zeros((x.shape[0], 4), device=x.device, dtype=torch.float32)",
    "y = torch.full((2,), float('-inf'), device=x.device)",
    "y = torch.tensor([1, 2, 3], device=x.device)",
    "y = torch.arange(x.shape[0], device=x.device)",
    "y = x.new_empty(x.shape[0]), x.new_zeros(1)",
    "y = torch.cat((torch.zeros_like(x.select(0, 0).unsqueeze(0)), x), dim=0)[:-1]",
    "y = torch.stack([x, x])",
    "parts = torch.split_with_sizes(x, [1, 1])",
    "torch._assert(x.dim() == 2, 'rows'); torch._check_value(x.dim() == 2, lambda: f'{x.shape}')",
    "with torch.autocast(device_type='cuda', enabled=False):\n    launch(x)",
    "with torch.cuda.amp.autocast(enabled=False):\n    launch(x)",
    "order = [2, 0, 1]; back = sorted(range(3), key=order.__getitem__)",
    "y = torch.nn.functional.pad(x, (1, 0))",
    "y = nn.functional.pad(x, (1, 0))[..., :-1]",
    "y = x.movedim(0, -1).contiguous().view(-1, x.shape[0])",
    "y = x.transpose(0, 1).reshape(-1).unsqueeze(0).expand(2, -1)",
    "y = x.permute(1, 0).flatten().clone()",
    "y = x.T, x.mT, x[None], x[..., 0], x[:-1], x[::2]",
    "y = x.flip(0), torch.roll(x, 1, 0), x.repeat(2, 1)",
    "y = x.to(torch.float16), x.float(), x.half(), x.bfloat16(), x.type_as(x)",
    "y = x.to(x.device, non_blocking=True)",
    "parts = x.chunk(2); first = parts[0]",
    "for row in x.unbind(0):\n    launch(row)",
    "y = x.as_strided((2, 2), (1, 1))",
    "x_out = torch.empty_like(x); x_out.copy_(x); x_out.zero_(); x_out.fill_(0)",
    "x_out = torch.empty_like(x); x_out[..., 0] = 0; x_out[1:] = x[:-1]",
    "n, m = x.shape; k = n * m // 2 + 1; k += n % 3; k = -k ** 2",
    "n = x.numel() * x.element_size() + x.stride(0) - x.storage_offset()",
    "n = max(x.shape) + min(x.size(0), 4) + sum(x.shape) + abs(self.dim)",
    "d = self.dim % x.dim(); d = d if d >= 0 else d + x.ndim",
    "shape = list(x.shape); shape[-1] += 1; y = x.new_empty(shape)",
    "shape = tuple(x.shape[:-1]) + (x.shape[-1] + 1,); y = x.new_empty(shape)",
    "shape = [*x.shape[:-1], 4]; y = x.new_empty(shape)",
    "same = x.shape == x.shape and x.dtype == torch.float32 and x.device == x.device",
    "if not x.is_cuda or x.stride(-1) != 1 or x.numel() == 0:\n    x = x.contiguous()",
    "assert x.is_contiguous() and x.dim() >= 1, f'{x.shape}'",
    "if x.dtype not in (torch.float16, torch.bfloat16):\n    raise ValueError(f'{x.dtype} on {x.device}')",
    "low = torch.finfo(x.dtype).min, torch.iinfo(torch.int32).max",
    "info = torch.finfo(x.dtype)\nlow = info.min * 2",
    "sms = torch.cuda.get_device_properties(x.device).multi_processor_count * 2",
    "major, minor = torch.cuda.get_device_capability()",
    "with torch.cuda.device(x.device):\n    launch(x)",
    "with torch.no_grad():\n    launch(x)",
    "block = triton.next_power_of_2(x.shape[-1]); warps = 4 if block < 2048 else 8",
    "types = {torch.float16: tl.float16, torch.float32: tl.float32}; kind = types[x.dtype]",
    "seen = set(); seen.add(x.dtype); order = [3, 1]; order.sort()",
    "aligned = x.data_ptr() % 16 == 0",
    "lengths = x[0].tolist(); last = x[0, 0].item() + 1; y = x.new_empty(last)",
    "sizes = torch.tensor(x.stride()), torch.tensor([x.shape[0] * 2])",
    "tensors = [x, x] + [x]; pairs = (x, 1) + (x,)",
    "y = x if self.dim == 0 else x[:-1]",
    "out = None\nif out is None:\n    out = torch.empty_like(x)",
    "grid = lambda meta: (triton.cdiv(x.numel(), meta['BLOCK']), 1, 1)",
    "count = len(x) * 2; flag = bool(count) | True; bits = 1 << (count - 1).bit_length()",
    "a, (b, c) = x.shape[0], (x.shape[1], 3); e = a * b * c",
    "sizes = [s * 2 for s in x.shape]; total = 1\nfor s in sizes:\n    total *= s",
    "k = add_one.warmup(x, x, 1, BLOCK=1, grid=(1,))\nk._init_handles()\nn = 65536 // (k.n_regs * 32)",
    "def pair(v):\n    return (v, v) if isinstance(v, int) else tuple(v)\n(a, b) = pair(3)\nn = a * b",
    "extra = {}\nextra['num_warps'] = 8\nadd_one[(1,)](x, x, 1, BLOCK=1, **extra)",
    "q, k = x.split(2, dim=-1)\ny = q.view(1, -1, 2).transpose(1, 2)\nn = q.shape[0] * k.shape[-1]",
    "scale = x.shape[-1] ** -0.5; scale = scale * 1.44",
    "sizes = [3, 4]\nfor i, n in enumerate(sizes):\n    launch(x[sum(sizes[:i]) : n])",
    "i = 0\nwhile i < x.shape[0]:\n    launch(x[i])\n    i += 1",
    "y = x.view(torch.int32), x.view(-1).narrow(0, 0, 1), x.index_select(0, torch.arange(1))",
]


@pytest.mark.parametrize("snippet", LEGAL)
def test_legal_in_forward_and_in_a_wrapper(snippet):
    assert errors(in_forward(snippet)) == set()
    assert errors(in_wrapper(snippet.replace("self.dim", "1"))) == set()


COMPUTE = [
    "b = isinstance(torch.cumsum(x, 0), torch.Tensor)",
    "b = isinstance(x, (torch.cumsum(x, 0),))",
    "isinstance = map\nb = list(isinstance(nn.Softmax(-1), [x]))",
    "def isinstance(value, function):\n    return function(value)\nb = isinstance(x, torch.cumsum)",
    "y = torch.cumsum(x, 0)",
    "y = torch.add(x, x)",
    "y = torch.sum(x), torch.mean(x)",
    "y = torch.matmul(x, x)",
    "y = torch.mm(x, x)",
    "y = torch.einsum('ij->i', x)",
    "y = torch.where(x, x, x)",
    "y = torch.nn.functional.softmax(x, -1)",
    "y = nn.functional.conv1d(x, x)",
    "y = torch.fft.rfft(x)",
    "y = torch.linalg.norm(x)",
    "y = torch.special.expit(x)",
    "y = torch.sparse.mm(x, x)",
    "y = torch.ops.aten.cumsum(x, 0)",
    "y = torch.compile(launch)(x)",
    "y = torch.jit.script(launch)(x)",
    "y = torch.vmap(launch)(x)",
    "y = torch.func.vmap(launch)(x)",
    "y = torch.autograd.grad(x, x)",
    "y = torch.triu(x), torch.tril(x)",
    "y = torch.sort(x)",
    "y = torch.rand_like(x)",
    "y = torch.Tensor.cumsum(x, 0)",
    "f = torch.cumsum\ny = f(x, 0)",
    "t = torch\ny = t.cumsum(x, 0)",
    "n = nn.functional\ny = n.relu(x)",
    "fs = {'a': torch.cumsum}\ny = fs['a'](x, 0)",
    "y = list(map(torch.relu, [x]))",
    "y = getattr(torch, 'cumsum')(x, 0)",
    "y = getattr(x, 'cumsum')(0)",
    "y = (lambda t: torch.cumsum(t, 0))(x)",
    "def inner(t):\n    return torch.cumsum(t, 0)\ny = inner(x)",
    "y = x.cumsum(0)",
    "y = x.sum()",
    "y = x.cumsum_(0)",
    "y = x.add_(1)",
    "y = x.mul(2).contiguous()",
    "y = x.contiguous().mul(2)",
    "y = x[:-1].softmax(-1)",
    "y = x.masked_fill(x, 0)",
    "y = x.scatter_add_(0, x, x)",
    "y = x.index_add(0, x, x)",
    "y = x.sort()",
    "y = x.add(1)",
    "y = x.triu(1)",
    "y = x.numpy()",
    "y = x.cpu().numpy()",
    "y = x.apply_(abs)",
    "x.backward()",
    "f = x.cumsum\ny = f(0)",
    "y = type(x).cumsum(x, 0)",
    "y = super(torch.Tensor, x).cumsum(0)",
    "y = x @ x",
    "y = x.T @ x",
    "y = x + 1",
    "y = 1 - x",
    "y = x * x",
    "y = x / 2.0",
    "y = x // 2",
    "y = x ** 2",
    "y = x % 2",
    "y = -x",
    "y = ~x",
    "y = x > 0",
    "y = x == x",
    "y = x & x",
    "y = x << 1",
    "x += 1",
    "x[1:] += x[:-1]",
    "x @= x",
    "y = x[0] + x[1]",
    "y = x.clone() * 2",
    "y = torch.empty_like(x) + x",
    "y = abs(x)",
    "y = sum(x)",
    "y = sum([x, x])",
    "y = sum(x.unbind(0))",
    "y = max(x)",
    "y = pow(x, 2)",
    "y = x if self.dim else 0\ny = y * 2",
    "acc = 0\nfor row in x:\n    acc = acc + row",
    "acc = torch.zeros(1)\nfor i in range(3):\n    acc = acc + x[i]",
    "acc = 0\ni = 0\nwhile i < 3:\n    acc += x[i]\n    i += 1",
    "parts = [t * 2 for t in x.unbind(0)]",
    "a, b = x, 1\ny = a * b",
    "first, *rest = x.unbind(0)\ny = rest[0] * 2",
    "for i, row in enumerate(x):\n    y = row * i",
    "for a, b in zip(x, x):\n    y = a * b",
    "y = {'a': x}['a'] * 2",
    "y = (z := x) * 2",
    "y = (x if self.dim else x) * 2",
    "def inner():\n    return x * 2\ny = inner()",
    "y = launch(x) * 2",
    "y = launch(x)\ny = y + x",
    "f = lambda a: a * 2\ny = f(x)",
    "y = list(map(lambda a, b: a + b, x, x))",
    "parts = []\nparts.append(x)\ny = parts[0] * 2",
    "y = torch.tensor([v * 2 for v in x.tolist()])",
    "t = 0\nsums = []\nfor v in x.tolist():\n    t = t + v\n    sums.append(t)\ny = torch.tensor(sums)",
    "y = torch.tensor([float(v) for v in x])",
    "y = torch.full((2,), x[0].item() + 1)",
    "y = x.new_tensor(list(reversed(x.tolist())))",
    "out = torch.empty_like(x)\nfor i, v in enumerate(x.tolist()):\n    out[i] = v",
    "y = torch.empty(1).fill_(float(x[0]) * 2)",
    "self.kept = x\ny = self.kept * 2",
    "y = torch.Tensor([v * 2 for v in x.tolist()])",
    "y = torch.linspace(x[0], x[1], 3)[1]",
    "import itertools\ny = torch.stack(list(itertools.accumulate(x.unbind(0))))",
    "import functools\ny = functools.reduce(lambda a, b: a + b, x.unbind(0))",
    "import math\ny = torch.tensor([math.fsum(x)])",
    "y = {i: x[i] * 2 for i in range(3)}",
    "def two(*tensors):\n    return tensors[0] * 2\ny = two(x)",
]


@pytest.mark.parametrize(
    "snippet",
    [
        "import functools\nn = functools.reduce(lambda a, b: a * b, x.shape)",
        "import itertools\nn = list(itertools.accumulate(x.shape))",
        "import math\nn = torch.full((2,), math.prod(x.shape))",
    ],
)
def test_sizes_may_be_computed(snippet):
    assert errors(in_forward(snippet), "lenient") == set()


HELPER = """
class Helper:
    def __init__(self, x, dim=0):
        self.y = torch.cumsum(x, dim)


HELPERS = [Helper]"""


@pytest.mark.parametrize(
    ("helper", "init", "forward"),
    [
        (HELPER, "", "y = Helper(x).y"),
        (HELPER, "", "y = HELPERS[0](x).y"),
        (HELPER, "self.make = Helper", "y = self.make(x).y"),
        ("", "self.y = torch.cumsum(dim, 0)", "y = type(self)(x).y"),
        ("", "self.y = torch.cumsum(dim, 0)", "cls = type(self)\ny = cls(x).y"),
    ],
)
def test_constructors_that_forward_calls(helper, init, forward):
    model = in_forward(forward).partition("\n\nclass ModelNew")[2]
    code = IMPORTS + KERNEL + WRAPPER + helper + "\n\nclass ModelNew" + model
    code = code.replace("        self.dim = dim\n", f"        self.dim = dim\n        {init}\n")
    assert "library_compute" in errors(code)


@pytest.mark.parametrize(
    ("init", "forward"),
    [
        ("self.table = Helper(torch.ones(4)).y", "y = self.table"),
        ("self.helper = Helper(torch.ones(4))", "y = self.helper.y"),
        ("self.y = torch.cumsum(torch.ones(4), 0)", "assert type(x) is torch.Tensor"),
    ],
)
def test_constructors_that_only_constructors_call(init, forward):
    code = WHOLE.replace("\n\nclass ModelNew", HELPER.partition("\n\n\nHELPERS")[0] + "\n\n\nclass ModelNew")
    code = code.replace("        self.dim = dim\n", f"        self.dim = dim\n        {init}\n")
    code = code.replace("        return launch(x)\n", f"        {forward}\n        return launch(x)\n")
    assert errors(code) == set()


@pytest.mark.parametrize("snippet", COMPUTE)
def test_computing_in_forward(snippet):
    assert "library_compute" in errors(in_forward(snippet))


@pytest.mark.parametrize(
    "snippet", [line for line in COMPUTE if "self." not in line and "launch" not in line]
)
def test_computing_in_a_wrapper(snippet):
    assert "library_compute" in errors(in_wrapper(snippet))


IN_INIT = [
    "self.weight = nn.Parameter(torch.randn(4, 4) * 0.02)",
    "self.linear = nn.Linear(4, 4)",
    "self.norm = nn.LayerNorm(4)\nnn.init.ones_(self.norm.weight)",
    "self.weight = nn.Parameter(torch.empty(4))\nnn.init.uniform_(self.weight, -1, 1)",
    "self.register_buffer('mask', torch.tril(torch.ones(4, 4)))",
    "self.scale = float(torch.sqrt(torch.tensor(4.0)))",
    "self.block = 1 << (dim + 1).bit_length()",
    "table = torch.linspace(0, 1, 4)\nself.register_buffer('table', table.cumsum(0) / 2)",
    "self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(2)])",
    "self.reset()\n",
    "self.w = nn.Parameter(torch.empty(4, 4))\nfan, _ = nn.init._calculate_fan_in_and_fan_out(self.w)",
    "b = 1 / torch.ones(4) ** 0.5\nself.w = nn.Parameter(b)\nnn.init.uniform_(self.w, -b, b)",
    "t = 1.0 / (1e4 ** (torch.arange(4).float() / 8))\nself.register_buffer('t', torch.outer(t, t).sin())",
]


@pytest.mark.parametrize("snippet", IN_INIT)
def test_weights_may_be_made_in_the_constructor(snippet):
    code = in_init(snippet).replace(
        "    def forward",
        "    def reset(self):\n        self.w = nn.Parameter(torch.rand(4) * 2)\n\n    def forward",
    )
    assert errors(code) == set()


MODULES = [
    ("self.linear = nn.Linear(4, 4)", "y = self.linear(x)"),
    ("self.linear = nn.Linear(4, 4)", "y = self.linear.forward(x)"),
    ("self.linear = nn.Linear(4, 4)", "layer = self.linear\ny = layer(x)"),
    ("self.linear = nn.Linear(4, 4)", "y = getattr(self, 'linear')(x)"),
    ("self.linear = nn.Linear(4, 4).cuda()", "y = self.linear(x)"),
    ("self.net = nn.Sequential(nn.Linear(4, 4), nn.ReLU())", "y = self.net(x)"),
    ("self.layers = nn.ModuleList([nn.Linear(4, 4)])", "y = self.layers[0](x)"),
    ("self.layers = nn.ModuleList([nn.Linear(4, 4)])", "for layer in self.layers:\n    x = layer(x)"),
    ("self.layers = [nn.Linear(4, 4)]", "for layer in self.layers:\n    x = layer(x)"),
    ("self.layers = {'a': nn.Linear(4, 4)}", "y = self.layers['a'](x)"),
    ("self.linear = nn.Linear(4, 4)", "for layer in self.children():\n    x = layer(x)"),
    ("self.linear = nn.Linear(4, 4)", "y = self.linear.weight * 2"),
    ("self.w = nn.Parameter(torch.ones(4))", "y = self.w + 1"),
    ("self.register_buffer('w', torch.ones(4))", "y = self.w + 1"),
    ("self.add_module('a', nn.ReLU())", "y = self.a(x)"),
    ("self.register_module('a', nn.ReLU())", "y = self.a(x)"),
    ("setattr(self, 'a', nn.ReLU())", "y = self.a(x)"),
    ("self.a = nn.ReLU()", "y = self.get_submodule('a')(x)"),
    ("self.a = nn.ReLU()", "for name, layer in self.named_children():\n    x = layer(x)"),
    ("self.op = torch.cumsum", "y = self.op(x, 0)"),
    ("self.op = lambda t: torch.cumsum(t, 0)", "y = self.op(x)"),
    ("self.ops = []\nself.ops.append(lambda t: t.cumsum(0))", "y = self.ops[0](x)"),
    ("self.op = helper", "y = self.op(x)"),
    ("self.ops = []\nself.ops.append(helper)", "y = self.ops[0](x)"),
    ("self.op = Helper()", "y = self.op(x)"),
    ("self.ops = [Helper()]", "y = self.ops[0](x)"),
    ("self.net = nn.Sequential(Helper())", "y = self.net(x)"),
    ("self.net = nn.Sequential(Own(), nn.ReLU())", "y = self.net(x)"),
    ("self.net = nn.Sequential(*[Own(), nn.ReLU()])", "y = self.net(x)"),
    ("self.net = nn.Sequential(Inherited())", "y = self.net(x)"),
    ("self.net = nn.Sequential(Doubled())", "y = self.net(x)"),
    ("self.nets = nn.ModuleList([Own(), nn.ReLU()])", "y = self.nets[1](x)"),
    ("self.nets = nn.ModuleList([Doubled()])", "y = self.nets[0](x)"),
]


@pytest.mark.parametrize(("init", "forward"), MODULES)
def test_what_the_constructor_keeps_must_not_compute(init, forward):
    code = in_forward(forward).replace(
        "        self.dim = dim\n",
        "        self.dim = dim\n" + "".join(f"        {line}\n" for line in init.split("\n")),
    )
    helper = (
        "\n\ndef helper(t):\n    return t.cumsum(0)\n\n\n"
        "class Helper(nn.Module):\n    def forward(self, t):\n        return torch.cumsum(t, 0)\n"
    )
    others = (
        "\n\nclass Own(nn.Module):\n    def forward(self, t):\n        return launch(t)\n\n\n"
        "class Inherited(nn.ReLU):\n    pass\n\n\n"
        "class Doubled(nn.Module):\n    def forward(self, t):\n        return launch(t) * t\n"
    )
    helper += others if "Own(" in init or "Inherited(" in init or "Doubled(" in init else ""
    assert "library_compute" in errors(code.replace(WRAPPER, WRAPPER + helper))


OBJECTS = """

class Helper(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.n = n
        self.reset()

    def reset(self):
        self.w = nn.Parameter(torch.rand(self.n) * 2)

    def forward(self, t):
        return launch(t)


class Plan:
    def __init__(self, rows):
        self.rows = rows

    def sum(self, extra):
        return self.rows + extra
"""
HOLDERS = [
    ("self.linear = nn.Linear(4, 4)", "w = self.linear.weight.t().contiguous()\nb = self.linear.bias"),
    ("self.linear = nn.Linear(4, 4)", "y = self.linear.weight if self.linear.bias is None else x"),
    ("self.helper = Helper(4)", "y = self.helper(x)"),
    ("self.block = 4", "y = self.block * x.shape[0] + 1"),
    ("self.sum = 4", "y = self.sum * 2"),
    (
        "self.conv = nn.Conv2d(4, 4, 3)",
        "y = (x.shape[2] - self.conv.kernel_size[0]) // self.conv.stride[0] + 1",
    ),
    ("self.norm = nn.LayerNorm(4)", "y = self.norm.eps * 2"),
    ("self.register_buffer('cos', torch.arange(4).cos())", "y = self.cos[: x.shape[1]].to(x.dtype)"),
    ("setattr(self, 'exp', 4)", "y = self.exp * 2"),
    ("self.net = nn.Sequential(Helper(4), Helper(4))", "y = self.net(x)"),
    ("self.nets = nn.ModuleList([Helper(n) for n in (1, 2)])", "y = self.nets[1](x)"),
    ("self.nets = nn.ModuleDict({'a': Helper(4)})", "y = self.nets['a'](x)"),
    ("self.plan = Plan(4)", "y = self.plan.rows * self.plan.sum(3)"),
]


@pytest.mark.parametrize(("init", "forward"), HOLDERS)
def test_weights_and_own_objects_are_legal(init, forward):
    code = in_forward(forward).replace(
        "        self.dim = dim\n", f"        self.dim = dim\n        {init}\n"
    )
    assert errors(code.replace(WRAPPER, WRAPPER + OBJECTS)) == set()


SCAN = """

class Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows, m):
        ctx.n = rows.shape[-1] + m
        ctx.save_for_backward(rows)
        return launch(rows)

    @staticmethod
    def backward(ctx, grad):
        (rows,) = ctx.saved_tensors
        return launch(grad.flip(-1))[..., : ctx.n - 1], None
"""


def test_an_autograd_function_takes_tensors_and_numbers():
    code = IMPORTS + KERNEL + WRAPPER + SCAN + MODEL.replace("launch(x)", "Scan.apply(x, 1)")
    assert errors(code) == set()
    assert errors(code.replace("launch(grad.flip(-1))", "launch(grad * 2)")) == {"library_compute"}
    assert errors(code.replace("return launch(rows)\n", "return launch(rows * 2)\n")) == {"library_compute"}


def test_code_that_is_never_called_is_a_warning():
    code = among_wrappers("def reference(x):\n    return torch.cumsum(x, 0)\n")
    assert errors(code) == set()
    assert warnings(code) == {"library_compute"}


CALLED = [
    "y = reference(x)",
    "f = reference\ny = f(x)",
    "y = TABLE['a'](x)",
    "y = list(map(reference, [x]))",
    "y = Other().run(x)",
    "y = Other.run(None, x)",
]


@pytest.mark.parametrize("snippet", CALLED)
def test_code_that_is_called_in_any_way_is_not(snippet):
    code = in_forward(snippet).replace(
        WRAPPER,
        WRAPPER + "\n\ndef reference(x):\n    return torch.cumsum(x, 0)\n\n\n"
        "class Other:\n    def run(self, x):\n        return x.cumsum(0)\n",
    )
    code = (
        code.replace(MODEL[:20], '\n\nTABLE = {"a": reference}\n' + MODEL[:20])
        if "TABLE" in snippet
        else code
    )
    assert "library_compute" in errors(code)


@pytest.mark.parametrize(
    "snippet", ["y = F.relu(x)", "y = c(x, 0)", "y = np.cumsum(x.tolist())", "y = np.array(x.tolist())"]
)
def test_other_libraries_where_imports_are_lenient(snippet):
    assert "library_compute" in errors(in_forward(snippet).replace(IMPORTS, LENIENT), "lenient")


@pytest.mark.parametrize(
    "snippet",
    [
        "n = math.sqrt(x.shape[0])",
        "n = functools.reduce(operator.mul, x.shape, 1)",
        "f = functools.partial(launch, x)",
    ],
)
def test_harmless_modules_where_imports_are_lenient(snippet):
    code = in_forward(snippet).replace(IMPORTS, IMPORTS + "import functools\nimport math\nimport operator\n")
    assert errors(code, "lenient") == set()


@pytest.mark.parametrize("snippet", ["m = torch.cumsum(n, 0)", "m = nn.functional.relu(n)", "f = torch.relu"])
def test_torch_in_a_kernel(snippet):
    assert "library_compute" in errors(in_kernel(snippet))


FALLBACKS = [
    "try:\n    return launch(x)\nexcept Exception:\n    return torch.zeros_like(x)",
    "try:\n    return launch(x)\nexcept RuntimeError:\n    pass",
    "try:\n    add_one[(1,)](x, x, 1, BLOCK=1)\nexcept:\n    pass",
    "try:\n    y = launch(x)\nexcept (RuntimeError, ValueError) as error:\n    y = x.clone()",
    "try:\n    y = launch(x)\nexcept RuntimeError:\n    if x.is_cuda:\n        raise\n    y = x",
    "try:\n    return launch(x)\nfinally:\n    return x",
    "try:\n    add_one[(1,)](x, x, 1, BLOCK=1)\nexcept Exception:\n    return x\nelse:\n    return x",
]


@pytest.mark.parametrize("snippet", FALLBACKS)
def test_hidden_failures(snippet):
    assert "fallback" in errors(in_forward(snippet))


HANDLERS = [
    "try:\n    launch(x)\nexcept RuntimeError as error:\n    raise ValueError(f'{x.shape}') from error",
    "try:\n    launch(x)\nfinally:\n    x = None",
    "try:\n    n = torch.cuda.get_device_properties(0).warp_size\nexcept RuntimeError:\n    n = 32",
]


@pytest.mark.parametrize("snippet", HANDLERS)
def test_honest_handlers(snippet):
    assert (
        errors(in_forward(snippet).replace("        return launch(x)\n", "        return launch(self.dim)\n"))
        == set()
    )


def test_the_facts_name_library_calls_that_run():
    code = in_forward("y = torch.cat((x, x))").replace(
        WRAPPER, WRAPPER + "\n\ndef unused(x):\n    return torch.stack([x])\n"
    )
    assert check_code(code, mode="off").library_calls == ("torch.cat", "torch.empty_like")


def test_every_attribute_of_a_tensor_is_judged():
    torch = pytest.importorskip("torch")
    names = {name for name in dir(torch.Tensor) if not name.startswith("_")}
    unknown = {
        name for name in names if not computes(name) and name not in TENSOR_ATTRIBUTES | set(ATTRIBUTES)
    }
    assert unknown == set()


def test_every_allowed_path_exists():
    torch = pytest.importorskip("torch")
    missing = set()
    for path in TORCH:
        found = torch
        for part in path.split(".")[1:]:
            found = getattr(found, part, None)
        if found is None and not path.startswith("torch.version."):
            missing.add(path)
    assert missing == set()


def test_the_whole_candidate_is_legal():
    assert errors(WHOLE) == set()
