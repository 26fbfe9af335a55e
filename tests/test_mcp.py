"""The MCP server as an agent has it: the SDK's own client, a real process, stdin and stdout."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from judge_work import HONEST, candidate, exists, problem_folder, processes_of, until, zygotes_of
from sample_attempts import attempt, filled, passed, timing

pytest.importorskip("triton", reason="needs the extra `eval`")
pytest.importorskip("mcp.server.mcpserver", reason="needs the extra `mcp`")

from mcp import Client, StdioServerParameters

from harness.adapters.told import MOST_VIOLATIONS
from harness.extract.refusals import MAX_REPLY_CHARS

ROOT = Path(__file__).resolve().parent.parent
CALL = "import sys; sys.argv[0] = 'kernel-harness'; from harness.cli import main; main()"
ENDLESS = candidate("while True: pass")
SECRET = "line that only the operator may read"


def server(folder, *words):
    return StdioServerParameters(
        command=sys.executable,
        args=["-c", CALL, "mcp", "--device", "cpu", *map(str, words)],
        env={"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        cwd=str(folder),
    )


def ask(folder, words, *calls):
    """Return the tools and what each call gave: whether it is an error, and its content."""

    async def talk():
        async with Client(server(folder, *words)) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            results = [await client.call_tool(name, arguments) for name, arguments in calls]
        return tools, results

    return asyncio.run(talk())


def told(result):
    assert not result.is_error, result.content
    return result.structured_content


def refused(result):
    assert result.is_error
    return result.content[0].text


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agent")
    problem_folder(folder / "affine")
    (folder / "secret.toml").write_text(f"# {SECRET}\n")
    (folder / "secret.md").write_text(f"{SECRET}\n")
    filled(folder / "board.db", [attempt(n, passed(timing(2.0)), model=f"m{n}") for n in range(60)]).close()
    return folder


MANY = "".join(f"import os{n}\n" for n in range(60)) + HONEST


def test_an_agent_comes_from_a_prompt_to_a_verdict(place):
    calls = [
        ("prompt", {"problem": "cumsum_exclusive", "stage": "final_micro_tuning", "gpu": "4090"}),
        ("check", {"problem": "affine", "code": HONEST}),
        ("check", {"problem": "affine", "code": MANY}),
        ("check", {"problem": "affine", "code": "I cannot help with that."}),
        ("eval", {"problem": "affine", "code": f"Here:\n\n```python\n{HONEST}\n```\n"}),
        ("eval", {"problem": "affine", "code": candidate("return run(x, 7.0)")}),
        ("eval", {"problem": "affine", "code": "#" * 10_000_000}),
        ("leaderboard", {}),
    ]
    tools, results = ask(place, ["--problem", "affine", "--store", "board.db"], *calls)
    assert list(tools) == ["prompt", "check", "compile", "eval", "profile", "leaderboard"]
    for tool in tools.values():
        assert tool.description
        assert not {"path", "file", "folder", "store", "url"} & set(tool.input_schema["properties"])
    assert set(tools["eval"].output_schema["properties"]) >= {"status", "reason", "tracks", "feedback"}
    prompt, honest, many, prose, right, wrong, huge, board = results

    golden = ROOT / "tests/golden/final_micro_tuning_4090.txt"
    assert prompt.content[0].text == golden.read_text()
    assert (told(honest)["status"], told(honest)["tracks"]["open"]) == ("passed", True)
    assert told(many)["status"] == "rejected"
    assert len(told(many)["findings"]) == MOST_VIOLATIONS
    assert told(many)["more_findings"] >= 60 - MOST_VIOLATIONS
    assert told(prose)["status"] == "failed"
    found = told(right)
    assert (found["status"], found["device"], found["candidate_ms"]) == ("passed", "cpu", None)
    assert "It is correct" in found["feedback"]
    assert (told(wrong)["status"], told(wrong)["reason"]) == ("incorrect", "values")
    assert (told(huge)["status"], told(huge)["reason"]) == ("failed", "extract")
    assert str(MAX_REPLY_CHARS) in told(huge)["feedback"]
    assert len(told(board)["rows"]) == 50
    assert told(board)["more_rows"] > 0
    assert all(len(json.dumps(told(one))) < 20_000 for one in results[1:])


REFUSED = [
    ("eval", {"problem": "afine", "code": HONEST}, "unknown problem"),
    ("eval", {"problem": "/etc", "code": HONEST}, "unknown problem"),
    ("eval", {"problem": "./affine", "code": HONEST}, "unknown problem"),
    ("eval", {"problem": "affine", "code": HONEST, "stage": "secret.md"}, "unknown stage"),
    ("eval", {"problem": "affine", "code": HONEST, "size": "huge"}, "unknown size"),
    ("prompt", {"problem": "affine", "stage": "seed", "gpu": "secret.toml"}, "give a name"),
    ("check", {"problem": "affine", "code": HONEST, "stage": "secret.md"}, "give a name"),
    ("compile", {"problem": "affine", "code": HONEST, "gpu": "../secret"}, "give a name"),
    ("profile", {"problem": "affine", "code": HONEST, "stage": "seed"}, "--allow-profile"),
    ("leaderboard", {}, "--store"),
    ("eval", {"problem": "affine"}, "code"),
    ("eval", {"problem": ["affine"], "code": HONEST}, "problem"),
]


def test_what_an_agent_may_not_reach_is_said(place):
    _, results = ask(place, ["--problem", "affine"], *[(name, given) for name, given, _ in REFUSED])
    for (name, given, words), result in zip(REFUSED, results, strict=True):
        said = refused(result)
        assert words in said, (name, given)
        assert SECRET not in said


@pytest.mark.slow
def test_compile_for_a_gpu_that_is_not_here(place):
    _, (result,) = ask(
        place, ["--problem", "affine"], ("compile", {"problem": "affine", "code": HONEST, "gpu": "4090"})
    )
    (build, *_) = told(result)["builds"]
    assert (build["kernel"], build["num_warps"]) == ("affine", 4)
    assert build["registers"] > 0


def rpc(method, number=None, **params):
    said = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(said if number is None else said | {"id": number}) + "\n"


def test_an_agent_that_vanishes_leaves_no_process(place):
    """It goes away while an endless candidate of its is being judged."""
    asked = server(place, "--problem", "affine")
    client = {"name": "vanishing", "version": "1"}
    greeting = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
    call = {"name": "eval", "arguments": {"problem": "affine", "code": ENDLESS}}
    with subprocess.Popen(
        [asked.command, *asked.args], env=os.environ | asked.env, cwd=place, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdin.write(rpc("initialize", 1, **greeting) + rpc("notifications/initialized"))
        process.stdin.write(rpc("tools/call", 2, **call))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        assert until(lambda: zygotes_of(process.pid), 120)
        below = processes_of(process.pid)
        process.stdin.close()
        assert process.wait(60) == 0
    assert until(lambda: not any(map(exists, below)), 60)
