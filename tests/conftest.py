import pytest

from eval.client import cuda_device_name


def pytest_collection_modifyitems(items):
    """Skip what needs a GPU where there is none, and say so."""
    if cuda_device_name() is None:
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA GPU; none is here"))


@pytest.fixture(scope="session")
def judge():
    """One judge on the CPU for all tests that only ask it for verdicts; its caller holds a key."""
    pytest.importorskip("triton", reason="needs the extra `eval`")
    from judge_work import SECRET, job

    from eval import Judge

    with Judge("cpu") as made:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OPENAI_API_KEY", SECRET)
            made.evaluate(job("x ="))
        yield made
