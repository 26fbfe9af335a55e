"""An OpenAI-compatible server on loopback that misbehaves as it is told, to see what a client makes of it.

    python examples/misbehaving_server.py --port 8000 --mix half=0.1,too_many=0.1,stall=0.01
    kernel-harness collect cumsum_exclusive --stage final_micro_tuning --gpu 4090 \
        --model any --base-url http://127.0.0.1:8000/v1 --samples 100 --timeout 5

Every reply is another one: it begins with the number of the request. `GET /counts` tells how many
requests came, how many were answered whole, and how many this server failed itself, by fault.
With `--hold N` all but the first N requests wait until `GET /release`.
"""

import argparse
import asyncio
import json
import random
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

FAULTS = {
    "too_many": "429 without a wait",
    "too_many_after": "429 with Retry-After",
    "error": "500",
    "stall": "never answers",
    "reset": "resets the connection in the middle of a reply",
    "half": "ends the stream half-way",
    "malformed": "breaks the JSON",
}
WHIMS = {"slow": "one word at a time", "wrong_usage": "usage that makes no sense"}
WRONG_USAGE = {"prompt_tokens": -3, "completion_tokens": "many", "total_tokens": None}


class Server:
    """Answers each request by a fault, a whim or plainly, drawn with a seed."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.random = random.Random(options.seed)  # noqa: S311 - repeats itself on purpose
        self.counts: Counter[str] = Counter()
        self.released = asyncio.Event()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self.exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.counts["client_left"] += 1
        finally:
            writer.close()

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection can be used again."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        lengths = [
            line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length")
        ]
        body = json.loads(await reader.readexactly(int(lengths[0]))) if lengths else {}
        if path == "/release":
            self.released.set()
        if method == "GET":
            return await send(writer, 200, dict(self.counts) if path == "/counts" else {"data": []})
        number = self.counts["requests"]
        self.counts["requests"] += 1
        draw, manner = self.random.random(), None
        for name, part in self.options.mix.items():
            manner = name if manner is None and draw < part else manner
            draw -= part
        if manner in FAULTS:
            self.counts["failed"] += 1
            self.counts[manner] += 1
        self.counts["in_flight"] += 1
        self.counts["most_in_flight"] = max(self.counts["most_in_flight"], self.counts["in_flight"])
        try:
            if await self.refuse(manner, reader, writer):
                return manner in {"too_many", "too_many_after", "error"}
            return await self.reply(path, body, number, manner, writer)
        finally:
            self.counts["in_flight"] -= 1

    async def refuse(
        self, manner: str | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if manner in {"too_many", "too_many_after"}:
            after = f"Retry-After: {self.options.retry_after}\r\n" if manner == "too_many_after" else ""
            return await send(writer, 429, {"error": {"message": "slow down"}}, after)
        if manner == "error":
            return await send(writer, 500, {"error": {"message": "oops"}})
        if manner == "stall":
            return await reader.read() is not None
        return False

    async def reply(
        self, path: str, body: dict[str, Any], number: int, manner: str | None, writer: asyncio.StreamWriter
    ) -> bool:
        texts = [f"{number}.{index} {self.options.text}" for index in range(body.get("n") or 1)]
        usage = WRONG_USAGE if manner == "wrong_usage" else {"prompt_tokens": 100, "completion_tokens": 50}
        if self.options.hold is not None and number >= self.options.hold:
            await self.released.wait()
        await asyncio.sleep(self.options.delay)
        if not body.get("stream"):
            whole = json.dumps(completion(path, texts, usage)).encode()
            whole = whole[: len(whole) // 2] if manner in {"half", "malformed", "reset"} else whole
            await send(writer, 200, whole)
            self.counts["whole"] += manner not in FAULTS
            return True
        start = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(start.encode())
        events = list(events_of(path, texts, usage))
        events = events[: len(events) // 2] if manner in FAULTS else events
        for event in events:
            writer.write(chunk(f"data: {json.dumps(event)}\n\n"))
            if manner == "slow":
                await writer.drain()
                await asyncio.sleep(self.options.slow)
        if manner == "malformed":
            writer.write(chunk('data: {"choices": [\n\n'))
        if manner == "reset":
            await writer.drain()
            linger = (1).to_bytes(4, "little") + bytes(4)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return False
        writer.write(chunk("data: [DONE]\n\n" if manner not in FAULTS else "") + b"0\r\n\r\n")
        await writer.drain()
        self.counts["whole"] += manner not in FAULTS
        return True


def chunk(text: str) -> bytes:
    return f"{len(text.encode()):x}\r\n{text}\r\n".encode() if text else b""


async def send(writer: asyncio.StreamWriter, status: int, content: Any, headers: str = "") -> bool:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}{headers}\r\n".encode() + body)
    await writer.drain()
    return True


def completion(path: str, texts: list[str], usage: dict[str, Any]) -> dict[str, Any]:
    if path.endswith("/responses"):
        parts = [{"type": "output_text", "text": texts[0], "annotations": []}]
        message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": parts}
        tokens = {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]}
        return {"id": "r", "object": "response", "model": "misbehaving", "status": "completed"} | {
            "output": [message],
            "usage": tokens,
        }
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for index, text in enumerate(texts)
    ]
    return {
        "id": "c",
        "object": "chat.completion",
        "model": "misbehaving",
        "choices": choices,
        "usage": usage,
    }


def events_of(path: str, texts: list[str], usage: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if path.endswith("/responses"):
        for word in texts[0].split(" "):
            yield {"type": "response.output_text.delta", "delta": f"{word} "}
        yield {"type": "response.completed", "response": completion(path, texts, usage)}
        return
    frame = {"id": "c", "object": "chat.completion.chunk", "model": "misbehaving"}
    for index, text in enumerate(texts):
        for word in text.split(" "):
            yield frame | {"choices": [{"index": index, "delta": {"content": f"{word} "}}]}
        yield frame | {"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]}
    yield frame | {"choices": [], "usage": usage}


def mix(text: str) -> dict[str, float]:
    parts = dict(pair.split("=") for pair in text.split(",") if pair)
    if unknown := parts.keys() - FAULTS.keys() - WHIMS.keys():
        raise argparse.ArgumentTypeError(f"{unknown.pop()}: there are {', '.join(FAULTS | WHIMS)}")
    return {name: float(part) for name, part in parts.items()}


async def main(options: argparse.Namespace) -> None:
    server = await asyncio.start_server(
        Server(options).connected, "127.0.0.1", options.port, backlog=1024, limit=1 << 24
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mix", type=mix, default={}, help=f"parts of 1, such as half=0.1: {FAULTS | WHIMS}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before a reply begins")
    parser.add_argument("--slow", type=float, default=0.05, help="seconds between the words of a slow reply")
    parser.add_argument("--retry-after", type=float, default=0.1)
    parser.add_argument(
        "--hold", type=int, metavar="N", help="answer N requests, the rest after GET /release"
    )
    parser.add_argument("--text", default="a b c d e f g h i j k l", help="what follows the number")
    with suppress(KeyboardInterrupt):
        asyncio.run(main(parser.parse_args()))
