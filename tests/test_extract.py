import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.records import Failed
from harness.extract import extract
from harness.records import Candidate

HERE = Path(__file__).parent
REPLIES = sorted((HERE / "replies").glob("*.md"))
CODE = "import torch\n\n\nclass ModelNew:\n    pass\n"
OTHER = "class ModelNew:\n    other = 1\n"
H09 = (HERE / "honest" / "h09_docstring_fences.py").read_text()


def fence(code, info="python", marks="```"):
    return f"{marks}{info}\n{code}{marks}\n"


@pytest.mark.parametrize("path", REPLIES, ids=lambda path: path.name)
def test_every_sample_gives_its_code_or_says_why_not(path):
    listed = json.loads((HERE / "replies" / "index.json").read_text())["replies"]
    note = next(entry["note"] for entry in listed if entry["file"] == path.name)
    text = path.read_text()
    found = extract(text)
    if note.startswith("truncated"):
        assert isinstance(found, Failed)
        assert found.phase == "extract"
        assert "truncated" in found.detail
        return
    assert isinstance(found, Candidate)
    compile(found.code, path.name, "exec")
    reply, code = text.split("\n"), found.code.rstrip("\n").split("\n")
    assert reply[found.first_line - 1 : found.first_line - 1 + len(code)] == code


ACCEPTED = {
    "one block": ("Here.\n\n" + fence(CODE) + "Done.\n", CODE, 4),
    "no newline at the end": (fence(CODE).rstrip("\n"), CODE, 2),
    "bare fence": (fence(CODE, info=""), CODE, 2),
    "tildes": (fence(CODE, marks="~~~"), CODE, 2),
    "long fence": (fence(CODE, marks="`````"), CODE, 2),
    "py": (fence(CODE, info="py"), CODE, 2),
    "capitals": (fence(CODE, info="Python"), CODE, 2),
    "attributes": (fence(CODE, info='python title="x.py"'), CODE, 2),
    "braces": (fence(CODE, info="{.python}"), CODE, 2),
    "file name": (fence(CODE, info="kernel.py"), CODE, 2),
    "bare code": (CODE, CODE, 1),
    "bare code below empty lines": ("\n\n" + CODE, CODE, 3),
    "bare code that does not parse": ("import torch\nclass ModelNew:\n  x = (\n", None, 1),
    "bare code with fences in its docstrings": (H09, H09, 1),
    "windows line ends": (fence(CODE).replace("\n", "\r\n"), CODE, 2),
    "byte order mark": ("\ufeff" + CODE, CODE, 1),
    "in a list": (
        "1. So:\n\n   ```python\n   class ModelNew:\n       x = 1\n   ```\n",
        "class ModelNew:\n    x = 1\n",
        4,
    ),
    "in a quotation": ("> ```\n> class ModelNew: 1\n> ```\n", "class ModelNew: 1\n", 2),
    "in a tag": ("<answer>\n" + fence(CODE) + "</answer>\n", CODE, 3),
    "indented": ("So:\n\n    class ModelNew:\n        x = 1\n\nDone.\n", "class ModelNew:\n    x = 1\n", 3),
    "the last of two": (fence(OTHER) + "Better:\n" + fence(CODE), CODE, 7),
    "the last that defines it": (fence(CODE) + "Used so:\n" + fence("m = ModelNew()\n"), CODE, 2),
    "not the one that only mentions it": (
        fence(CODE) + fence('"""\nclass ModelNew: x\n"""\n'),
        CODE,
        2,
    ),
    "blocks are not joined": (fence("import torch\n") + fence(OTHER), OTHER, 5),
    "other languages": (fence(CODE) + fence("class ModelNew {};\n", info="cpp"), CODE, 2),
    "a stray fence behind": (fence(CODE) + "```\n", CODE, 2),
    "a stray fence before prose": (fence(CODE) + "```\nThis is fast.\n", CODE, 2),
    "an open block of text behind": (fence(CODE) + "```text\nspeedup 2x\n", CODE, 2),
    "docstrings with fences": ("So:\n" + fence(H09) + "Good.\n", H09, 3),
    "replacement characters in prose": ("\ufffd\n" + fence(CODE), CODE, 3),
    "thinking": ("<think>\nhm\n</think>\n" + fence(CODE), CODE, 5),
    "code in thinking": ("<think>\n" + fence(OTHER) + "</think>\n" + fence(CODE), CODE, 8),
    "open fence in thinking": ("<think>\n```python\nx\n</think>\n" + fence(CODE), CODE, 6),
    "thinking on one line": ("<think>hm</think>\n" + fence(CODE), CODE, 3),
    "fence behind thinking": ("<think>hm\n</think>" + fence(CODE), CODE, 3),
    "thinking that began in the prompt": ("hm\n" + fence(OTHER) + "</think>\n" + fence(CODE), CODE, 8),
    "thinking at the end of a line": ("Sure. <think>\nhm\n</think>\n" + fence(CODE), CODE, 5),
    "capitals in thinking": ("<THINKING>\n" + fence(OTHER) + "</Thinking>\n" + fence(CODE), CODE, 8),
    "a tag that is only mentioned": ("I use no <think> tag.\n" + fence(CODE), CODE, 3),
    "a tag in code marks": ("`<think>`\n" + fence(CODE), CODE, 3),
    "a tag in the code": (fence('"""\n<think>\n"""\n' + CODE), '"""\n<think>\n"""\n' + CODE, 2),
    "thinking and bare code": ("<think>\nhm\n</think>\n" + CODE, CODE, 4),
}


@pytest.mark.parametrize(("text", "code", "first_line"), ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(text, code, first_line):
    found = extract(text)
    assert isinstance(found, Candidate), found
    assert found.first_line == first_line
    assert found.code.rstrip("\n") == (code if code is not None else text).rstrip("\n")


REFUSED = {
    "zero bytes": ("", "empty"),
    "white space": (" \n\t\n", "empty"),
    "prose": ("I cannot help with that.", "prose only"),
    "another language": (fence("ls\n", info="bash"), "no code"),
    "an empty block": (fence(""), "no code"),
    "a block without ModelNew": (fence("x = 1\n"), "no ModelNew"),
    "two blocks without ModelNew": (fence("x = 1\n") * 2, "no ModelNew"),
    "only in a string": (fence("x = 1\n", info="text") + fence("class  ModelOld: 1\n"), "no ModelNew"),
    "bare code without ModelNew": ("import torch\nx = torch.zeros(1)\n", "no ModelNew"),
    "a diff block": (fence("-class ModelNew:\n+class ModelNew(nn.Module):\n", info="diff"), "diff"),
    "a diff in a Python block": (fence("@@ -1,2 +1,2 @@\n-x\n+y\n"), "diff"),
    "a bare diff": ("--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-x\n+y\n", "diff"),
    "an open fence": ("```python\n" + CODE, "truncated"),
    "an open bare fence": ("```\n" + CODE, "truncated"),
    "an open fence behind a closed one": (fence(CODE) + "```python\nimport torch\n", "truncated"),
    "an open bare fence of code behind a closed one": (fence(CODE) + "```\nimport torch\n", "truncated"),
    "open thinking": ("<think>\n" + fence(CODE), "truncated"),
    "open thinking behind prose": ("Sure.\n\n<think>\nhm\n" + fence(CODE), "truncated"),
    "thinking alone": ("<think>hm</think>", "reasoning only"),
    "code in thinking alone": ("hm\n" + fence(CODE) + "</think>\n", "reasoning only"),
    "NUL": (fence(CODE + "\0"), "not text"),
    "replacement characters in the code": (fence("# \ufffd\n" + CODE), "not text"),
    "replacement characters alone": ("\ufffd\ufffd", "not text"),
    "lone surrogates": ("\ud800" + fence(CODE), "not text"),
    "ten megabytes": ("word " * 2_000_000, "too long"),
    "ten megabytes behind an answer": (fence(CODE) + "- a\n" * 2_500_000, "too long"),
    "too many lines": ("- a\n" * 100_000, "too long"),
}


@pytest.mark.parametrize(("text", "kind"), REFUSED.values(), ids=REFUSED)
def test_refused(text, kind):
    found = extract(text)
    assert isinstance(found, Failed), found
    assert found.phase == "extract"
    assert found.detail.startswith(kind + ":"), found.detail
    assert found.tracks.open is False
    assert found.tracks.stage is False


@pytest.mark.parametrize("code", [H09, CODE, "not python", "```python\nx\n```\n"])
def test_code_is_taken_as_it_is(code):
    assert extract(code, is_code=True) == Candidate(code=code, first_line=1)


@pytest.mark.parametrize("code", ["", "x\0", "# \ufffd\n", "\udfff", "x" * 10_000_000])
def test_code_that_is_no_text(code):
    assert isinstance(extract(code, is_code=True), Failed)


HOSTILE = {
    "list items": "- a\n" * 40_000,
    "open thoughts": "<think>\n" * 40_000,
    "quoted thoughts": "> <think>\n\n" * 20_000,
    "thoughts in a line": "<think></think>" * 60_000,
    "closed thoughts": "</think>\n" * 40_000,
    "open strings": '```py\n"""\n```\n' * 16_000,
    "quotation marks": ">" * 900_000,
    "backticks": "`" * 900_000,
    "brackets": "import torch\nclass ModelNew: " + "(" * 200_000,
    "operators": "import torch\nclass ModelNew: x = " + "-" * 200_000 + "1",
    "spaces": " " * 900_000 + "x",
    "at signs": "@@ " * 300_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_ends(text):
    assert isinstance(extract(text), Failed | Candidate)


PIECES = [
    "```",
    "```python",
    "~~~",
    "<think>",
    "</think>",
    "> ",
    "- ",
    "class ModelNew: 1",
    "import torch",
    '"""',
    "text",
    "",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_lines_of_the_code_are_lines_of_the_reply(lines):
    text = "\n".join(lines)
    found = extract(text)
    if isinstance(found, Candidate):
        first = found.code.split("\n")[0].strip()
        assert first in text.split("\n")[found.first_line - 1]
        assert "class ModelNew" in found.code


@given(st.text(max_size=300))
def test_no_text_makes_it_raise(text):
    assert isinstance(extract(text), Failed | Candidate)
    assert isinstance(extract(text, is_code=True), Failed | Candidate)
