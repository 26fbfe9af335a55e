"""What a text hides must not be called the same, or lawful: running decides it then."""

import pytest
from stage_code import BODY, CURRENT, HEAD, ORIGINALS, checked, launched, rule, tuned

SET = rule("param_set", param="num_stages", values=(2, 3, 4))
DOTS = rule("multiple_of", params="BLOCK*", factor=16)
KEEP = rule("keep_original_configs")


def grid_of(grid, lines=(), *, held="pass", extra=""):
    """Code that launches with a grid after some lines; the class holds one thing more, the file another."""
    launch = f"scale_kernel[{grid}](x, out, 4, BLOCK_SIZE=128)"
    inside = ["def scale(self, x):", "out = torch.empty_like(x)", *lines, launch, "return out"]
    forward = "    def forward(self, x):\n        return scale(self, x)\n"
    wrapper = "\n    ".join(inside)
    return f"{HEAD}{BODY}{extra}\n\n{wrapper}\n\n\nclass ModelNew(nn.Module):\n    {held}\n\n{forward}"


def with_frozen_grid(after, before):
    frozen = rule("frozen", what=("grid",))
    return checked(after, current=before, the_rule=frozen, scope="parameters").legal


CONTEXT = "with torch.cuda.device(x.device)"
GENERATOR = "g = (n for _ in (0,))"
UNSEEN = {
    "where a slice begins": (grid_of("x.shape[1:]"), grid_of("x.shape[:1]")),
    "a default of a lambda": (grid_of("lambda META, n=8: (n,)"), grid_of("lambda META, n=9: (n,)")),
    "how a value is written": (grid_of("(len(f'{x}'),)"), grid_of("(len(f'{x!r}'),)")),
    "what a list grows by": tuple(grid_of("tuple(g)", ["g = []", f"g.append({n})"]) for n in (8, 9)),
    "an alias that grows": tuple(
        grid_of("tuple(g)", ["g = [8]", "h = g", *more]) for more in ([], ["h.append(9)"])
    ),
    "an alias that grows in place": tuple(
        grid_of("tuple(g)", ["g = [8]", "h = g", *more]) for more in ([], ["h += [9]"])
    ),
    "an item that is set": tuple(grid_of("tuple(g)", ["g = [8]", *more]) for more in ([], ["g[0] = 9"])),
    "an item that is deleted": tuple(grid_of("tuple(g)", ["g = [8]", *more]) for more in ([], ["del g[0]"])),
    "an attribute set by name": tuple(grid_of("(self.n,)", more) for more in ([], ["setattr(self, 'n', 9)"])),
    "a variable that a lambda reads later": tuple(
        grid_of("g", ["n = 8", "g = lambda META: (n,)", *more]) for more in ([], ["n = 9"])
    ),
    "a variable that a generator reads later": tuple(
        grid_of("tuple(g)", ["n = 8", GENERATOR, *more]) for more in ([], ["n = 9"])
    ),
    "a name of a context": tuple(
        grid_of("(n,)", ["n = 8", f"{CONTEXT}{name}:", "    pass"]) for name in ("", " as n")
    ),
    "a walrus in a list": tuple(
        grid_of("(n,)", ["n = 8", *more]) for more in ([], ["[n := 9 for _ in (0,)]"])
    ),
    "a constant of the class": tuple(grid_of("(self.n,)", held=f"n = {n}") for n in (8, 9)),
    "a property": tuple(
        grid_of("(self.n,)", held=f"@property\n    def n(self):\n        return {n}") for n in (8, 9)
    ),
    "a dictionary of the module": tuple(
        grid_of("(G['n'],)", extra="G = {'n': 8}" + more) for more in ("", "\n_ = G.update(n=9)")
    ),
    "an item of a dictionary of the module": tuple(
        grid_of("(G['n'],)", extra="G = {'n': 8}" + more) for more in ("", "\nG['n'] = 9")
    ),
}

MORE = "\n\ndef more(x):\n    scale_kernel[(9,)](x, x, 4, BLOCK_SIZE=128)\n    return x.clone()"
AGAIN = "scale_kernel[(9,)](x, out, 4, BLOCK_SIZE=128)"
EXTRA = {
    "a launch in an assert": [f"assert {AGAIN} is None"],
    "an operator in an assert": ["assert x.clone() is not None"],
    "a launch in an annotation": [f"{AGAIN}.n: int"],
    "a function in a list": ["f = [more][0]", "f(x)"],
    "a function in a variable": ["f = more", "f(x)"],
    "a function that is handed on": ["list(map(more, (x,)))"],
    "a function as a key": ["sorted([x], key=more)"],
    "a method of a tensor in a variable": ["f = x.clone", "f()"],
    "a method of a tensor by name": ["getattr(x, 'clone')()"],
    "an operator that is handed on": ["list(map(torch.clone, (x,)))"],
    "a variable that was a module": ["f = torch", "f = x", "f.clone()"],
    "a loop that is left": [f"for _ in range(9):\n        {AGAIN}\n        break"],
    "a configuration more": ["c = scale_kernel.configs", "c += [triton.Config({}, num_stages=9)]"],
    "a choice of items": ["y = x[[0, 1]]"],
    "a model that changes from call to call": ["self.dim = 1"],
    "a model that is handed on": ["hash(self)", "print(end=self)"],
    "a launch of a launch": ["scale_kernel[(9,)][(8,)](x, out, 4, BLOCK_SIZE=128)"],
}


@pytest.mark.parametrize("lines", EXTRA.values(), ids=EXTRA)
def test_what_is_done_besides_is_not_overlooked(lines):
    before, after = grid_of("(8,)", extra=MORE), grid_of("(8,)", lines, extra=MORE)
    assert with_frozen_grid(before, before) is True
    assert with_frozen_grid(after, before) is not True


def both(grid, line, *changes, **given):
    """Two codes that differ in what stands for HERE in a line before the launch."""
    return tuple(grid_of(grid, [line.replace("HERE", change)], **given) for change in changes)


def held(grid, text, *changes):
    return tuple(grid_of(grid, extra=text.replace("HERE", change)) for change in changes)


COUNTED = "def num(g=iter((8, 9))):\n    return next(g)"
BASE = "class Base(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.n = HERE"
DIFFERENT = {
    "a condition in a lambda": both(
        "g", "g = lambda META: (8 if META['BLOCK_SIZE'] > HERE else 9,)", "3", "300"
    ),
    "a lambda within another": both(
        "g", "g = lambda META: ((lambda m: HERE['BLOCK_SIZE'])({'BLOCK_SIZE': 8}),)", "m", "META"
    ),
    "a function as a grid": held("num", "def num(META):\n    return (HERE,)", "8", "9"),
    "a default that is a condition": held(
        "(num(),)", "def num(a=8 if 4 > HERE else 9):\n    return a", "3", "30"
    ),
    "a default from outside": held("(num(),)", "M = HERE\n\n\ndef num(M=M):\n    return M", "8", "9"),
    "a default that counts": both("(num(),)", "HERE", "pass", "num()", extra=COUNTED),
    "what a loop begins with": both("(n,)", "k = HERE\n    for _ in (0,):\n        n = k", "8", "9"),
    "how often a loop runs": both("(8,)", f"for _ in range(HERE):\n        {AGAIN}", "3", "9"),
    "an assignment that may be skipped": both("(n,)", "n = 8\n    x is HERE and (n := 9)", "x", "None"),
    "the target of a comprehension": both("tuple(g)", "g = [a for HERE in [(8, 9)]]", "a, b", "b, a"),
    "keys that are unpacked": tuple(
        grid_of("(n,)", ["g = {0: 8, 1: 9}", line]) for line in ("n, m = g", "n, m = g[0], g[1]")
    ),
    "the class of the model by type": tuple(grid_of("(type(self).n,)", held=f"n = {n}") for n in (8, 9)),
    "a name that is bound again": held("(len(G),)", "G = (8, 9)HERE", "", "\nG = (9,)"),
    "a tensor that is read": both("(int(m[0]),)", "m = torch.empty(1)\n    m.fill_(HERE)", "8", "9"),
    "a shape that is turned in place": both("x.shape", "HERE", "pass", "x.t_()"),
    "a constant of the kernel": tuple(
        grid_of("(8,)").replace("BLOCK_SIZE: tl.constexpr", f"BLOCK_SIZE: tl.constexpr = {size}").replace(
            ", BLOCK_SIZE=128", ""
        )
        for size in (128, 1024)
    ),
    "an annotation that is a text": tuple(
        grid_of("(8,)").replace("tl.constexpr", "'tl.constexpr'").replace("BLOCK_SIZE=128", size)
        for size in ("BLOCK_SIZE=128", "BLOCK_SIZE=1024")
    ),
    "a class above": tuple(
        grid_of("(self.n,)", extra=BASE.replace("HERE", n)).replace("ModelNew(nn.Module)", "ModelNew(Base)")
        for n in ("8", "9")
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_has_another_value_is_not_called_the_same(before, after):
    assert before != after
    frozen = rule("frozen", what=("grid", "block"))
    for code, legal in ((before, False), (after, True)):
        found = checked(code, current=before, the_rule=frozen, scope="parameters").legal
        assert found is not legal


BOUND_AGAIN = "scale_kernel = triton.autotune([], key=['N'])(scale_kernel)"


def pruned(configs, *, options=""):
    given = f"key=['N'], prune_configs_by={{'early_config_prune': lambda configs, *_: {configs}}}"
    return CURRENT.replace("key=['N']", given).replace("padded, out, N)", f"padded, out, N{options})")


@pytest.mark.parametrize(
    "code",
    [
        pruned("[triton.Config({'BLOCK_SIZE': 4096}, num_stages=9)]"),
        CURRENT.replace("padded, out, N)", "padded, out, N, num_stages=9)"),
        CURRENT.replace("{'BLOCK_SIZE': 128}", "{'BLOCK_SIZE': 128, 'num_stages': 9}"),
        CURRENT.replace("num_stages=1", "num_stages=True"),
        CURRENT.replace("def scale(x)", f"{BOUND_AGAIN}\n\n\ndef scale(x)"),
    ],
)  # fmt: skip
def test_configs_that_something_else_decides_are_left_to_a_dry_launch(code):
    assert code != CURRENT
    assert checked(code, the_rule=KEEP).legal is not True


@pytest.mark.parametrize(("before", "after"), UNSEEN.values(), ids=UNSEEN)
def test_a_grid_that_changes_unseen_is_not_called_the_same(before, after):
    assert with_frozen_grid(before, before) is not False
    assert with_frozen_grid(after, before) is not True


REFUSED = [f"if n == {number}:\n        raise ValueError(n)" for number in range(2_500)]
WAYS = [f"if x.shape[{number}] == 1:\n        x = x.contiguous()" for number in range(8)]
ENDLESS = {
    "text that doubles": grid_of("(n,)", ["n = x.shape[0]", *["n = n < n"] * 60]),
    "text in lambdas that doubles": grid_of(
        "f", ["f = g = lambda: x", *["f = lambda: (f if x else g)", "g = lambda: (g if x else f)"] * 30]
    ),
    "many ways with many conditions": grid_of("(8,)", ["n = x.shape[0]", *REFUSED, *WAYS]),
}


@pytest.mark.parametrize("code", ENDLESS.values(), ids=ENDLESS)
def test_code_without_end_is_left_alone(code):
    plain = grid_of("(8,)")
    assert with_frozen_grid(code, plain) is not True
    assert with_frozen_grid(plain, code) is not True


def test_a_launch_option_may_be_nested_as_deep_as_it_likes():
    option = launched(", BLOCK_SIZE=128, num_stages=kind")
    lines = ["N = padded.numel()", "kind = torch.float32", *["kind = not kind"] * 3_500]
    deep = option.replace(lines[0], "\n    ".join(lines))
    assert checked(deep, the_rule=SET).undecided == ("the_rule",)


HELPERS = "\n\n".join(
    f"@triton.jit\ndef help_{number}(x):\n" + "\n".join(f"    help_{other}(x)" for other in range(14))
    for number in range(14)
)


@pytest.mark.parametrize(
    ("line", "legal"),
    [
        ("help_0(x_ptr)", True),
        ("tl.dot(x_ptr, x_ptr)", False),
        ("if False:\n        tl.dot(x_ptr, x_ptr)", True),
    ],
)
def test_what_a_kernel_computes_with_is_looked_for_once(line, legal):
    """Among helpers that all call each other, and not in what never runs."""
    body = BODY.replace("    offsets =", f"    {line}\n    offsets =", 1) + HELPERS + "\n\n"
    assert checked(tuned([*ORIGINALS, (8, 4, 2)], body=body), the_rule=DOTS).legal is legal


def test_constants_of_the_class_and_the_module_are_followed():
    codes = [grid_of("(self.n, N)", held=f"n = {n}", extra=f"N = {m}") for n, m in ((8, 2), (9, 2), (8, 3))]
    assert [with_frozen_grid(code, codes[0]) for code in codes] == [True, None, None]
