"""A Ray cluster of two nodes on this machine: the verdicts of one machine, whatever is killed."""

import os
import random
import socket
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from chaos_work import Batch, judge_under_fire, strike

pytest.importorskip("triton", reason="needs the extra `eval`")
pytest.importorskip("ray", reason="needs the extra `ray`")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}


def free_port():
    with socket.socket() as free:
        free.bind(("", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def cluster():
    """A head that judges nothing, and two nodes with a judge each."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        port = free_port()
        head = NODE | {"num_cpus": 0, "include_dashboard": False, "ray_client_server_port": port}
        made = Cluster(initialize_head=True, head_node_args=head)
        nodes = [made.add_node(**NODE) for _ in range(2)]
        patch.setenv("RAY_ADDRESS", made.address)
        yield SimpleNamespace(cluster=made, nodes=nodes, client_port=port)
        made.shutdown()


def test_three_hundred_candidates_on_a_cluster_under_fire(cluster, tmp_path):
    def hit(process, victim, chance):
        if victim == "node":
            gone = cluster.nodes.pop(chance.randrange(len(cluster.nodes)))
            cluster.cluster.remove_node(gone, allow_graceful=False)
            cluster.nodes.append(cluster.cluster.add_node(**NODE))
        else:
            # The judges are below the nodes, and these below this process.
            strike(SimpleNamespace(pid=os.getpid()), victim, chance)

    chance = random.Random(2)
    batch = Batch(tmp_path, 300, "--device", "cpu", "--executor", "auto")
    plan = ["node", "judge", "driver", "runner", "node", "parent", "judge", "Ctrl-C", "runner", "node"]
    left = judge_under_fire(batch, chance, plan, hit)
    assert len(left) < len(plan) // 2
    batch.check()


def test_a_driver_that_is_no_node_gets_the_same_verdicts(cluster, tmp_path):
    batch = Batch(tmp_path, 12, "--device", "cpu", "--executor", f"ray://127.0.0.1:{cluster.client_port}")
    batch.finish(batch.start(), 1)
    batch.check()


def test_a_driver_that_the_cluster_does_not_take_asks_again(monkeypatch):
    import ray

    from harness.errors import EnvironmentFailure
    from harness.executors.cluster import RayExecutor

    why = "Initialization failure from server:\nTraceback:\n" + "  File x\n" * 200 + "RuntimeError: no time"
    asked, said = [], []

    def refuse(**_):
        asked.append(1)
        raise ConnectionAbortedError(why)

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(EnvironmentFailure, match=r"no Ray cluster answers at 'auto': .*no time; "):
        RayExecutor("auto", "cpu", say=said.append, pauses_s=(0.0, 0.0))
    assert len(asked) == 3
    assert len(said) == 2
    assert all("took no driver: Initialization failure" in line and "no time" in line for line in said)


def test_a_cluster_that_is_not_there_is_said(tmp_path):
    batch = Batch(tmp_path, 1, "--device", "cpu", "--executor", "ray://127.0.0.1:9")
    batch.finish(batch.start(), 4)
    assert "no Ray cluster answers" in (tmp_path / "said.txt").read_text()
