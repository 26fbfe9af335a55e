"""Recorded replies over a real socket: in order, as the manifest says, and clear when they run out."""

import http.client
import json
import socket

import openai
import pytest

from harness.errors import EnvironmentFailure, UsageError
from harness.llm import ModelSpec, ReplayServer, collect
from harness.llm.replay_folder import ReplayFolder
from harness.records import Prompt
from harness.store import Store


def prompt(stage="tuning"):
    return Prompt(hash=f"hash of {stage}", text="p", problem="cumsum_exclusive", stage=stage, gpu="4090")


def write(folder, **files):
    for name, text in files.items():
        (folder / name.replace("_md", ".md").replace("_toml", ".toml")).write_text(text)
    return folder


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "replies"
    place.mkdir()
    return write(place, r10_md="ten", r2_md="two", r1_md="one", README_md="not a reply")


@pytest.fixture
def replayed(tmp_path):
    def ask(folder, samples, stage="tuning", **changes):
        with Store(tmp_path / "s.db") as store:
            spec = ModelSpec(model=f"replay:{folder}", **changes)
            outcomes = collect([prompt(stage)], spec, samples, store, store.start_run("test"))
            return {outcome.stored.reply.sample: outcome.stored.reply for outcome in outcomes}

    return ask


@pytest.fixture
def client():
    def connect(server):
        return openai.OpenAI(api_key="none", base_url=server.url, max_retries=0, timeout=10)

    return connect


@pytest.mark.parametrize("stream", [True, False])
def test_replies_in_natural_order(replayed, folder, stream):
    found = replayed(folder, range(3), stream=stream)
    assert {sample: reply.text for sample, reply in found.items()} == {0: "one", 1: "two", 2: "ten"}
    assert (found[1].model_id, found[1].finish_reason, found[1].source) == (
        "replay/r2.md",
        "stop",
        f"replay:{folder}",
    )


def test_no_key_and_no_proxy_is_needed(replayed, folder, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert replayed(folder, [0])[0].text == "one"


@pytest.mark.parametrize("text", ["", "é\U0001f600\x00", "x" * 10_000_000])
@pytest.mark.parametrize("stream", [True, False])
def test_any_reply_is_served_as_it_is(replayed, tmp_path, text, stream):
    place = tmp_path / "replies"
    place.mkdir()
    (place / "a.md").write_bytes(text.encode())
    assert replayed(place, [0], stream=stream)[0].text == text


def test_bytes_that_are_no_text_are_replaced(replayed, folder):
    (folder / "r1.md").write_bytes(b"caf\xe9")
    assert replayed(folder, [0])[0].text == "caf\N{REPLACEMENT CHARACTER}"


def test_running_out_is_a_clear_error_and_keeps_the_rest(replayed, folder, tmp_path):
    with pytest.raises(
        UsageError, match=r"holds 3 replies for stage tuning; there is no sample 3: lower --samples"
    ):
        replayed(folder, range(5), concurrency=1)
    with Store(tmp_path / "s.db") as store:
        assert [row.reply.text for row in store.replies()] == ["one", "two", "ten"]


def test_manifest_maps_stage_and_sample(replayed, folder):
    write(folder, manifest_toml='tuning = ["r10.md", "r1.md"]\n[memory]\n3 = "r2.md"\n["*"]\n0 = "r1.md"\n')
    assert {sample: reply.text for sample, reply in replayed(folder, range(2)).items()} == {
        0: "ten",
        1: "one",
    }
    assert replayed(folder, [3], stage="memory")[3].text == "two"
    assert replayed(folder, [0], stage="another")[0].text == "one"
    with pytest.raises(UsageError, match="holds 1 replies for stage memory; there is no sample 0"):
        replayed(folder, [0], stage="memory")


@pytest.mark.parametrize(
    ("manifest", "complaint"),
    [
        ('tuning = ["absent.md"]', "tuning: there is no file 'absent.md'"),
        ("tuning = [3]", "tuning: there is no file 3"),
        ("tuning = 3", "tuning: give a list"),
        ('[tuning]\nfirst = "r1.md"', "'first' is no sample"),
        ('[tuning]\n-1 = "r1.md"', "'-1' is no sample"),
        ("tuning = [", "not valid TOML"),
        ("", "holds no replies"),
    ],
)
def test_manifest_that_is_wrong_is_named(folder, manifest, complaint):
    write(folder, manifest_toml=manifest)
    with pytest.raises(UsageError, match=complaint):
        ReplayFolder(folder)


@pytest.mark.parametrize("name", ["absent", "replies/r1.md", "empty"])
def test_folder_that_is_none(folder, name):
    (folder.parent / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no such folder|holds no replies"):
        ReplayFolder(folder.parent / name)


def test_any_openai_client_gets_one_reply_after_the_other(folder, client):
    with ReplayServer(folder) as server:
        asking = client(server)
        messages = [{"role": "user", "content": "p"}]
        assert [model.id for model in asking.models.list()] == ["replay"]
        whole = [asking.chat.completions.create(model="m", messages=messages) for _ in range(2)]
        assert [reply.choices[0].message.content for reply in whole] == ["one", "two"]
        pieces = list(asking.chat.completions.create(model="m", messages=messages, stream=True))
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "ten"
        assert pieces[-1].choices[0].finish_reason == "stop"
        with pytest.raises(openai.NotFoundError, match="there is no sample 3") as caught:
            asking.chat.completions.create(model="m", messages=messages)
        assert caught.value.code == "replay_exhausted"


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", "/v1/models", {}, "", 200),
        ("GET", "/v1/other", {}, "", 404),
        ("POST", "/v1/other", {}, "{}", 404),
        ("POST", "/v1/chat/completions", {}, "{", 400),
        ("POST", "/v1/chat/completions", {}, "[]", 400),
        ("POST", "/v1/chat/completions", {"X-Kernel-Harness-Sample": "first"}, "{}", 400),
        ("POST", "/v1/chat/completions", {"X-Kernel-Harness-Sample": "-1"}, "{}", 404),
        ("POST", "/v1/chat/completions", {}, "{}", 200),
    ],
)
def test_requests_one_by_one(folder, method, path, headers, body, status):
    with ReplayServer(folder) as server:
        connection = http.client.HTTPConnection(server.url.split("/")[2], timeout=10)
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        assert response.status == status
        assert ("error" in json.loads(response.read())) == (status != 200)
        connection.close()


def test_reply_that_vanished(folder, replayed):
    with ReplayServer(folder) as server:
        (folder / "r1.md").unlink()
        connection = http.client.HTTPConnection(server.url.split("/")[2], timeout=10)
        connection.request("POST", "/v1/chat/completions", body="{}")
        response = connection.getresponse()
        assert (response.status, "cannot read" in response.read().decode()) == (404, True)
        connection.close()


def test_client_that_hangs_up_leaves_the_server_quiet(folder, capfd):
    (folder / "r1.md").write_text("x" * 5_000_000)
    with ReplayServer(folder) as server:
        host, port = server.url.split("/")[2].split(":")
        with socket.create_connection((host, int(port))) as rude:
            rude.sendall(b'POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 16\r\n\r\n{"stream": true}')
            rude.recv(100)
        connection = http.client.HTTPConnection(f"{host}:{port}", timeout=10)
        connection.request("GET", "/v1/models")
        assert connection.getresponse().status == 200
        connection.close()
    assert capfd.readouterr().err == ""


def test_port_that_is_taken(folder):
    with ReplayServer(folder) as server, pytest.raises(EnvironmentFailure, match="cannot listen"):
        ReplayServer(folder, port=int(server.url.split(":")[2].split("/")[0]))
