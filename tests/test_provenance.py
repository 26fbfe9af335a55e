"""Numbers that no kernel stored are noticed; moved, converted and few ones are not held against anybody."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `eval`")
pytest.importorskip("triton", reason="needs the extra `eval`")

from eval.runner.guard import OperatorLog  # noqa: E402
from eval.runner.provenance import Provenance, tensors_in  # noqa: E402


@pytest.fixture
def x():
    return torch.randn(20, 30, generator=torch.Generator().manual_seed(1))


def foreign(given, outputs, *, stores=()):
    followed = Provenance()
    followed.begin([given])
    for values in stores:
        followed.stored(values.numpy())
    return followed.finish([outputs])


MOVED = {
    "the input": lambda x: x,
    "a view": lambda x: x.t()[::2],
    "negated": lambda x: -x,
    "halved in width": lambda x: x.half(),
    "and widened again": lambda x: x.half().float(),
    "bfloat16": lambda x: x.bfloat16(),
    "float64": lambda x: x.double(),
    "its bits": lambda x: x.view(torch.int32),
    "put together": lambda x: torch.cat((torch.zeros(3, 30), x, torch.full((2, 30), 0.3))),
    "whole numbers": lambda x: torch.arange(5000.0),
    "poison": lambda x: torch.full_like(x, float("nan")),
    "a few constants": lambda x: torch.arange(64.0) / 7,
    "in a list": lambda x: [{"a": (x, x)}],
    "nothing": lambda x: x[:0],
    "complex": lambda x: torch.view_as_complex(x.view(20, 15, 2)),
}


@pytest.mark.parametrize("move", MOVED.values(), ids=MOVED)
def test_what_is_moved_or_converted_is_known(x, move):
    assert not foreign(x, move(x))


class Keeper(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.rand(200, generator=torch.Generator().manual_seed(2)))
        self.held = {}


@pytest.mark.parametrize("written", [False, True], ids=["by a thread", "by the judge"])
def test_what_a_model_holds_is_known_from_the_end_of_the_last_call(x, written):
    model, followed = Keeper(), Provenance()
    followed.remember([model, {"model": model}])
    followed.begin([x])
    assert not followed.finish([model.table])
    model.held["answer"] = x.cumsum(1)
    if written:
        followed.given([model.held["answer"]])
    followed.begin([x])
    assert followed.finish([model.held["answer"]]) is not written


COMPUTED = {
    "summed": lambda x: x.cumsum(1),
    "scaled": lambda x: x * 1.5,
    "in bfloat16": lambda x: x.cumsum(1).bfloat16(),
    "as bits": lambda x: x.cumsum(1).view(torch.int32),
    "whole and large": lambda x: (x * 2**30).round(),
    "complex": lambda x: torch.complex(x, x).cumsum(1),
    "in a tuple": lambda x: (x, x.cumsum(1)),
}


@pytest.mark.parametrize("compute", COMPUTED.values(), ids=COMPUTED)
def test_what_was_computed_elsewhere_is_not(x, compute):
    assert foreign(x, compute(x))


def test_a_kernel_that_stores_a_number_answers_for_it(x):
    answer = x.cumsum(1)
    assert not foreign(x, answer, stores=[answer])
    assert not foreign(x, answer.half(), stores=[answer])


def test_a_kernel_that_copies_an_answer_loaded_it_first(x):
    answer = x.cumsum(1)
    followed = Provenance()
    followed.begin([x])
    followed.loaded(answer.numpy())
    followed.stored(answer.numpy())
    assert followed.finish([answer])


def test_weights_and_tables_are_given(x):
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 8))
    model.tables = {"sines": [torch.arange(100.0).sin()]}
    assert not foreign([x, model], [model[1].weight, model.tables["sines"]])
    assert foreign([x], model[1].weight)


def test_a_table_that_allocation_fills_may_be_kept(x):
    followed = Provenance()
    followed.begin([x])
    log = OperatorLog(followed)
    with log:
        table = torch.linspace(0, 1, 1000)
    log.check(table)
    assert "numbers that no kernel stored" not in log.operators
    followed.begin([x])
    assert not followed.finish([table])


def test_one_call_knows_nothing_of_another(x):
    followed = Provenance()
    followed.begin([x])
    followed.stored(x.cumsum(1).numpy())
    followed.finish([])
    followed.begin([x])
    assert followed.finish([x.cumsum(1)])


def test_containers_that_hold_themselves_end():
    loop = [torch.ones(1)]
    loop.append(loop)
    assert len(list(tensors_in([loop]))) == 1


READS = {
    "whole": lambda x: x.tolist(),
    "in pieces": lambda x: [row.tolist() for row in x],
    "one by one": lambda x: [float(v) for v in x.view(-1)[:65]],
    "by NumPy": lambda x: x.numpy(),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_many_reads_count_however_they_are_cut(x, read):
    with OperatorLog() as log:
        read(x)
    assert any(name.startswith("Tensor.") for name in log.operators)


def test_a_few_reads_do_not(x):
    with OperatorLog() as log:
        x[0].tolist()
        for number in x[1]:
            number.item()
    assert not any(name.startswith("Tensor.") for name in log.operators)
