"""``serve-judge`` over a real socket, with a real judge: answers, refusals, a full queue, clients that go."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from hashlib import sha256
from pathlib import Path

import pytest
from judge_work import HONEST, candidate, problem_folder, until

for needed in ("starlette", "uvicorn", "triton"):
    pytest.importorskip(needed, reason="needs the extras `eval` and `serve`")

CALL = "import sys; sys.argv[0] = 'kernel-harness'; from harness.cli import main; main()"
TOKEN = "correct horse"
ENDLESS = candidate("while True: pass")


class Server:
    """A server in a process of its own; what it is asked goes with the token unless told otherwise."""

    def __init__(self, place, *words):
        paths = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [sys.executable, "-c", CALL, "serve-judge", "--port", "0", "--device", "cpu", *words],
            cwd=place, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": paths, "KERNEL_HARNESS_TOKEN": TOKEN},
        )  # fmt: skip
        self.url = self.process.stdout.readline().strip().rstrip("/")

    def ask(self, path, body=None, method=None, **headers):
        """Return status, headers and the JSON of an answer."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"} | headers
        request = urllib.request.Request(self.url + path, data, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.headers, json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode()
            return error.code, error.headers, json.loads(text) if text.startswith("{") else text

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    place = tmp_path_factory.mktemp("served")
    problem_folder(place / "affine")
    made = Server(place, "--problem", "affine", "--waiting", "1", "--memory-gb", "0.8")
    yield made
    made.stop()


def question(code=HONEST, **more):
    return {"problem": "affine", "code": code, "rules": "off", **more}


def test_a_candidate_gets_its_verdict(server):
    status, _, answer = server.ask("/v1/evaluate", question())
    assert status == 200
    assert answer["verdict"]["status"] == "passed"
    assert answer["candidate_hash"] == sha256(HONEST.encode()).hexdigest()
    assert (answer["problem"], answer["first_line"]) == ("affine", None)
    assert answer["verdict"]["candidate_hash"] == answer["candidate_hash"]
    wrong = candidate("return run(x, 7.0)")
    _, _, answer = server.ask("/v1/evaluate", question(None, reply=f"So:\n\n```python\n{wrong}\n```\n"))
    assert (answer["verdict"]["status"], answer["verdict"]["reason"]) == ("incorrect", "values")
    assert answer["first_line"] == 4


def test_a_reply_without_code_needs_no_judge(server):
    status, _, answer = server.ask("/v1/evaluate", {"problem": "affine", "reply": "I would rather not."})
    assert (status, answer["verdict"]["status"], answer["verdict"]["phase"]) == (200, "failed", "extract")


def test_a_stage_decides_its_track(server):
    asked = question(rules="strict", stage="final_micro_tuning", gpu="4090", current_code=HONEST)
    status, _, answer = server.ask("/v1/evaluate", asked)
    assert (status, answer["stage"]) == (200, "final_micro_tuning")
    assert set(answer["verdict"]["tracks"]) == {"open", "stage"}


BAD = {
    "an unknown problem": ({"problem": "afine", "code": "x"}, 404, "affine"),
    "a path for a problem": ({"problem": "./affine", "code": "x"}, 404, "unknown problem"),
    "an unknown stage": (question(stage="final"), 422, "final_micro_tuning"),
    "a path for a stage": (question(stage="/etc/x.md"), 422, "unknown stage"),
    "a path for a GPU": (question(stage="final_micro_tuning", gpu="./x.toml"), 422, "unknown GPU"),
    "an unknown size": (question(size="hlaf"), 422, "half"),
    "an unknown field": (question(colour="red"), 422, "colour"),
    "neither code nor reply": ({"problem": "affine"}, 422, "`code` or `reply`"),
    "both": (question(reply="x"), 422, "`code` or `reply`"),
    "no JSON": (b"{", 422, "JSON"),
    "no object": ([1], 422, "object"),
    "a word for a number": (question(timeout_s="long"), 422, "timeout_s"),
    "too much": (question("#" * (4 << 20)), 413, "bytes"),
}


@pytest.mark.parametrize(("body", "code", "named"), BAD.values(), ids=BAD)
def test_what_cannot_be_judged_is_said(server, body, code, named):
    status, _, answer = server.ask("/v1/evaluate", body)
    assert (status, named in answer["error"]) == (code, True), answer


def test_who_may_ask(server):
    assert server.ask("/v1/evaluate", question(), Authorization="Bearer wrong")[0] == 401
    assert server.ask("/v1/problems", Authorization="")[0] == 401
    assert server.ask("/v1/evaluate", question(), **{"Content-Type": "text/plain"})[0] == 415
    assert server.ask("/v1/problems", Host="evil.example")[0] == 400
    assert server.ask("/v1/evaluate")[0] == 405
    assert "affine" in server.ask("/v1/problems")[2]["problems"]
    status, _, health = server.ask("/health", Authorization="")
    assert (status, health["status"], len(health["slots"])) == (200, "ok", 1)


def leave(server, body):
    """Ask and hang up at once."""
    data = json.dumps(body).encode()
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = (
            f"POST /v1/evaluate HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        connection.sendall(head.encode() + data)
        assert until(lambda: held(server) == 2)


def held(server):
    return server.ask("/health")[2]["held"]


def state_of(server, ticket, **wait):
    query = f"?wait={wait['wait']}" if wait else ""
    return server.ask(f"/v1/jobs/{ticket}{query}")[2]


def test_a_queue_that_is_full_and_clients_that_leave(server):
    status, headers, first = server.ask("/v1/jobs", question(ENDLESS, timeout_s=8))
    assert (status, headers["Location"]) == (202, f"/v1/jobs/{first['id']}")
    assert until(lambda: state_of(server, first["id"])["state"] == "judging")
    leave(server, question())
    assert until(lambda: held(server) == 1)

    second = server.ask("/v1/jobs", question())[2]
    status, headers, answer = server.ask("/v1/evaluate", question())
    assert (status, "full" in answer["error"]) == (429, True)
    assert 1 <= int(headers["Retry-After"]) <= 600
    assert server.ask(f"/v1/jobs/{second['id']}", method="DELETE")[2]["state"] == "cancelled"
    third = server.ask("/v1/jobs", question())[2]

    assert state_of(server, first["id"], wait=60)["answer"]["verdict"]["phase"] == "timeout"
    assert state_of(server, third["id"], wait=60)["answer"]["verdict"]["status"] == "passed"
    assert server.ask("/v1/jobs/none")[0] == 404
    assert server.ask(f"/v1/jobs/{third['id']}?wait=long")[0] == 422
    assert until(lambda: held(server) == 0)


def test_beyond_this_machine_a_token_is_needed(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "KERNEL_HARNESS_TOKEN"}
    words = [sys.executable, "-c", CALL, "serve-judge", "--host", "0.0.0.0", "--port", "0", "--device", "cpu"]
    run = subprocess.run(
        words, cwd=Path(__file__).parent.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert "KERNEL_HARNESS_TOKEN" in run.stderr
