"""Serve a folder of recorded replies to any OpenAI client, until Ctrl-C.

    python examples/replay_server.py tests/replies 8000
    kernel-harness collect cumsum_exclusive --stage final_micro_tuning --gpu 4090 \
        --model recorded --base-url http://127.0.0.1:8000/v1 --samples 14 --concurrency 1
"""

import signal
import sys
from contextlib import suppress

from harness.llm import ReplayServer

if __name__ == "__main__":
    folder, *port = sys.argv[1:]
    with ReplayServer(folder, port=int(port[0]) if port else 0) as server, suppress(KeyboardInterrupt):
        print(server.url, flush=True)
        signal.pause()
