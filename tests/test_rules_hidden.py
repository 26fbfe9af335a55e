"""What a candidate may reach through modules that look harmless, and bodies that were once not read."""

import pytest
from rule_candidates import IMPORTS, MODEL, WRAPPER, among_wrappers, errors, in_forward

LENIENT = "lenient"
HIDDEN = {
    "string.Formatter().get_field('0.cumsum', (x,), {})": "dynamic_code",
    "string.Formatter": "dynamic_code",
    "typing.get_type_hints(launch)": "dynamic_code",
    "typing.ForwardRef('x')": "dynamic_code",
    "dataclasses.make_dataclass('A', [])": "dynamic_code",
    "enum.bltns.getattr(x, 'cum' + 'sum')": "dynamic_code",
    "enum.bltns.exec('1')": "dynamic_code",
    "logging.config.BaseConfigurator({})": "dynamic_code",
    "logging.FileHandler('a')": "files",
    "logging.os.environ": "environment",
    "json.codecs": "dynamic_code",
    "copy.copyreg": "dynamic_code",
    "textwrap.re.sub": "dynamic_code",
}


@pytest.mark.parametrize("snippet", HIDDEN)
def test_modules_inside_harmless_modules_are_seen(snippet):
    module = snippet.split(".")[0]
    for code in (f"import {module}\ny = {snippet}", f"import {module} as m\ny = m{snippet[len(module) :]}"):
        assert HIDDEN[snippet] in errors(in_forward(code), LENIENT)


@pytest.mark.parametrize(
    "code",
    [
        "import math\ny = math.ceil(math.log2(3))",
        "import cmath\ny = cmath.pi",
        "from functools import lru_cache, partial\ny = partial(launch)",
        "import collections.abc\ny = isinstance(x, collections.abc.Sequence)",
        "from collections import namedtuple, OrderedDict\ny = OrderedDict()",
        "from dataclasses import dataclass, field\ny = dataclass",
        "from enum import Enum, IntEnum, auto\ny = auto()",
        "import typing as t\ny = t.Optional",
        "import itertools\ny = list(itertools.product((1, 2), (3,)))",
        "import warnings\nwarnings.warn('slow')",
        "import logging\ny = logging.getLogger('a')",
        "from string import ascii_lowercase as letters\ny = letters",
        "import copy\ny = copy.deepcopy([1])",
        "from abc import ABC, abstractmethod\ny = ABC",
        "from contextlib import nullcontext\ny = nullcontext()",
        "import json\ny = json.dumps({})",
        "import re\ny = re.compile('a')",
    ],
)
def test_what_harmless_modules_offer_stays_harmless(code):
    assert errors(in_forward(code), LENIENT) == set()


NESTED = "if launch:\n\n    def get_inputs(x):\n        return torch.cumsum(x, 1)\n"


def test_the_inputs_of_a_problem_are_read_where_they_are_no_such_thing():
    assert "library_compute" in errors(among_wrappers(NESTED).replace("return launch", "return get_inputs"))


def test_a_file_without_kernels_is_told_only_that():
    assert errors(IMPORTS + WRAPPER.replace("add_one", "print") + MODEL) == {"kernel"}
