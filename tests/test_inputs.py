"""Replies from files: every kind of path, and what is wrong with the others."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.inputs import read_replies
from harness.records import Reply
from harness.reply_files import decode


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def read(*paths):
    notes = []
    return list(read_replies(paths, note=notes.append)), notes


def jsonl(path, *lines):
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("name", "is_code"),
    [("a.md", False), ("a.txt", False), ("a.py", True), ("A.MD", False), ("a b#1.py", True)],
)
def test_bare_file(tmp_path, name, is_code):
    write(tmp_path, {name: "text\r\nmore"})
    assert read(tmp_path / name) == (
        [Reply(model="local", sample=0, text="text\r\nmore", source=str(tmp_path / name), is_code=is_code)],
        [],
    )


def test_folder_in_natural_order_without_what_is_no_reply(tmp_path):
    names = ["a_10.md", "a_2.md", "b.txt", "a_2b.py", "2.md", "10.md"]
    others = [
        "README.md",
        "readme.txt",
        "CATALOGUE.md",
        "index.md",
        "index.json",
        "manifest.toml",
        ".hidden.md",
        "x.png",
    ]
    write(tmp_path, dict.fromkeys(names + others, "x") | {"deeper/c.md": "x"})
    replies, _ = read(tmp_path)
    assert [reply.source for reply in replies] == [
        str(tmp_path / name) for name in ("2.md", "10.md", "a_2.md", "a_2b.py", "a_10.md", "b.txt")
    ]
    assert [reply.sample for reply in replies] == list(range(6))


def test_several_paths_count_on(tmp_path):
    write(tmp_path, {"a/1.md": "one", "a/2.md": "two", "b.py": "three"})
    replies, _ = read(tmp_path / "b.py", tmp_path / "a")
    assert [(reply.sample, reply.text) for reply in replies] == [(0, "three"), (1, "one"), (2, "two")]


@pytest.mark.parametrize(
    ("content", "text", "noted"),
    [
        (b"", "", False),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n", False),
        (b"caf\xe9 \xff\xfe", "caf� ��", True),
        ("\x00é\U0001f600".encode(), "\x00é\U0001f600", False),
        (b"x" * 10_000_000, "x" * 10_000_000, False),
    ],
)
def test_any_bytes_are_a_reply(tmp_path, content, text, noted):
    write(tmp_path, {"a.md": content})
    (reply,), notes = read(tmp_path / "a.md")
    assert reply.text == text
    assert notes == ([f"{tmp_path / 'a.md'}: bytes that are not UTF-8 were replaced"] if noted else [])


@given(st.binary())
def test_decode_never_fails_and_always_encodes(content):
    text, replaced = decode(content)
    assert replaced or text.encode() in {content, content.removeprefix(b"\xef\xbb\xbf")}
    text.encode()


def test_jsonl(tmp_path):
    write(tmp_path, {"code.py": "y = 1"})
    path = jsonl(
        tmp_path / "r.jsonl",
        {"problem": "p", "model": "m", "sample": 3, "reply": "text", "tool": "another's field"},
        "",
        {
            "problem": "p",
            "model": "m",
            "sample": 4,
            "code": "x = 1",
            "stage": "s",
            "gpu": "g",
            "code_file": "code.py",
            "metrics_file": "elsewhere.json",
        },
        {"reply": "\ud800half"},
    )
    assert read(path)[0] == [
        Reply(model="m", sample=3, text="text", problem="p", source=f"{path}#1"),
        Reply(
            model="m",
            sample=4,
            text="x = 1",
            problem="p",
            stage="s",
            gpu="g",
            code_file=str(tmp_path / "code.py"),
            metrics_file="elsewhere.json",
            source=f"{path}#3",
            is_code=True,
        ),
        Reply(model="local", sample=2, text="?half", source=f"{path}#4"),
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"reply": "x"', "not valid JSON"),
        ("[" * 100_000, "nested too deep"),
        ('{"reply": NaN}', "NaN is not JSON"),
        ("[1]", "r.jsonl#2"),
        ({"problem": "p"}, "give either reply or code"),
        ({"reply": "x", "code": "y"}, "give either reply or code"),
        ({"reply": 3}, "reply: Input should be a valid string"),
        ({"reply": "x", "sample": -1}, "sample: Input should be greater"),
        ({"reply": "x", "sample": "first"}, "sample: "),
        ({"custom_id": "a", "response": {"status_code": 200, "body": {"choices": 3}}}, "choices: "),
        ({"custom_id": "a", "response": {"status_code": 200}}, "r.jsonl#2"),
    ],
)
def test_malformed_line_is_named(tmp_path, line, complaint):
    path = jsonl(tmp_path / "r.jsonl", {"reply": "fine"}, line)
    with pytest.raises(UsageError, match=r"r\.jsonl#2") as caught:
        read(path)
    assert complaint in str(caught.value)


def batch_line(number, choices, **changes):
    body = {
        "id": "c",
        "object": "chat.completion",
        "model": "gpt-x",
        "choices": choices,
        "usage": {"total_tokens": 7},
    }
    line = {"id": f"b{number}", "custom_id": f"r-{number}", "error": None}
    return line | {"response": {"status_code": 200, "request_id": "q", "body": body}} | changes


def choice(text, reason="stop"):
    return {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": reason,
        "logprobs": None,
    }


def test_openai_batch_output(tmp_path):
    path = jsonl(
        tmp_path / "batch.jsonl",
        batch_line(1, [choice("one"), choice("two", "length")]),
        batch_line(2, [], response={"status_code": 500, "body": {}}),
        batch_line(3, [], response=None, error={"code": "expired"}),
        batch_line(4, [choice(None)]),
    )
    replies, notes = read(path)
    assert [(reply.sample, reply.text, reply.finish_reason, reply.source) for reply in replies] == [
        (0, "one", "stop", f"{path}#1"),
        (1, "two", "length", f"{path}#1"),
        (2, "", "stop", f"{path}#4"),
    ]
    assert {reply.model for reply in replies} == {"gpt-x"}
    assert [reply.usage for reply in replies] == [{"total_tokens": 7}, {}, {"total_tokens": 7}]
    assert [note.split(":")[0] for note in notes] == [f"{path}#2", f"{path}#3"]


KERNELBENCH = {
    "generation_config.yaml": "x",
    "eval_results.json": "{}",
    "level_1_problem_92_sample_0_kernel.py": "zero",
    "level_1_problem_92_sample_10_kernel.py": "ten",
    "level_1_problem_92_sample_2_kernel.py": "two",
    "level_1_problem_92_sample_0_prompt.txt": "a log, no reply",
    "level_2_problem_7_sample_0_kernel.py": "other",
}


@pytest.mark.parametrize("deeper", [False, True])
def test_kernelbench_runs(tmp_path, deeper):
    run = tmp_path / "runs" / "my_model_v2"
    write(run, KERNELBENCH)
    replies, _ = read(run.parent if deeper else run)
    assert [(reply.problem, reply.sample, reply.text) for reply in replies] == [
        ("level_1_problem_92", 0, "zero"),
        ("level_1_problem_92", 2, "two"),
        ("level_1_problem_92", 10, "ten"),
        ("level_2_problem_7", 0, "other"),
    ]
    assert {(reply.model, reply.is_code) for reply in replies} == {("my_model_v2", True)}


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("absent.md", "no such file"),
        ("empty", "holds no replies"),
        ("empty.jsonl", "holds no replies"),
        ("a.png", "not a reply"),
        ("a.json", "not a reply"),
    ],
)
def test_path_that_is_no_reply(tmp_path, name, complaint):
    write(tmp_path, {"a.png": "x", "a.json": "{}", "empty.jsonl": "\n"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=complaint) as caught:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_missing_path_is_named_before_the_first_reply(tmp_path):
    write(tmp_path, {"a.md": "x"})
    with pytest.raises(UsageError, match="no such file"):
        read_replies([tmp_path / "a.md", tmp_path / "absent.md"])


def test_samples_of_the_project():
    replies, notes = read("tests/replies")
    assert [reply.source for reply in replies][:3] == [
        "tests/replies/a_1.md",
        "tests/replies/a_3.md",
        "tests/replies/a_5.md",
    ]
    assert (len(replies), notes) == (14, [])
