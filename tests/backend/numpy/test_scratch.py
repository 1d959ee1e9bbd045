"""The scratch memory of the kernels' threads: reserved with a network, as its layers need it, and enough for steps."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from backend.numpy.kernels import scratch

ROOT = Path(__file__).parents[3]


def in_a_process(code: str, *, threads: int = 2) -> object:
    """What `code` prints, as JSON: the scratch memory is its process's."""
    begin = "import json, numpy as np\nfrom backend import select_backend\nfrom backend.numpy.kernels import scratch\n"
    begin += "engine = select_backend('numpy').engine\nreserved = lambda: scratch.reserved_bytes(engine.library)\n"
    begin += f"engine.threads = {threads}\n"
    done = subprocess.run(
        [sys.executable, "-c", begin + code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


STEPS = """
from mlp import Network
from checkpoint import NetworkWithCheckpointing, plan
random, found = np.random.default_rng(0), []
for sizes, dtype in [([3, 2, 1], "float32"), ([40, 30, 70, 9], "float32"), ([90, 300, 20], "float32"),
                     ([90, 300, 20], "float64"), ([784, 512, 512, 64, 1024, 10], "float64")]:
    X, y = random.random((300, sizes[0])).astype(dtype), random.random((300, sizes[-1])).astype(dtype)
    before = reserved()
    nets = [Network(sizes, dtype=dtype), Network(sizes, dtype=dtype, optimizer="adam")]
    nets.append(Network(sizes, dtype=dtype, momentum=0.9, dropout=0.2))
    nets.append(NetworkWithCheckpointing(sizes, dtype=dtype, checkpoint_every_nth_layer=2))
    if len(sizes) > 4:  # in row blocks
        blocks = plan(sizes, batch_size=300, dtype=dtype, budget_bytes=4 * 2**20)
        nets.append(NetworkWithCheckpointing(sizes, dtype=dtype, schedule=blocks))
    after = reserved()
    for net in nets:
        net.update_mini_batch(X, y, eta=0.1)
        net.feedforward(X)
        list(net.backprop(X, y))
    found.append([before, after, reserved()])
print(json.dumps(found))
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_no_step_takes_scratch_memory_beyond_what_its_network_has_reserved(threads, compiled):
    found = in_a_process(STEPS, threads=threads)
    assert all(before < after for before, after, _ in found), found  # or the next line would say nothing
    assert [after for _, after, _ in found] == [later for _, _, later in found]


def test_what_a_network_will_reserve_is_known_before_it_is_made_and_counted_once(compiled):
    code = """
from mlp import Network
from checkpoint import chain_of
from checkpoint.planning.process import memory_within
sizes, found = [784, 200, 30], []
for bits, dtype in [(32, "float32"), (64, "float64")]:
    chain = chain_of(sizes, batch_size=100, dtype=dtype)
    counted = lambda: memory_within(2**30, chain, resident_bytes=0).scratch_bytes
    before, coming, promised = reserved(), scratch.coming_bytes(engine.library, sizes, bits), counted()
    Network(sizes, dtype=dtype)
    found.append([coming, reserved() - before, promised - counted(), scratch.coming_bytes(engine.library, sizes, bits)])
print(json.dumps(found))
"""
    for coming, taken, counted, then in in_a_process(code):
        assert 0 < coming == taken == counted
        assert then == 0


def test_pages_are_resident_before_the_first_step(compiled):
    if not sys.platform.startswith("linux"):
        pytest.skip("as Linux counts pages")
    code = """
from backend import resident_bytes
before = resident_bytes()
scratch.reserve(engine.library, [4096, 4096], 64, 2)
print(json.dumps([resident_bytes() - before, reserved()]))
"""
    grown, wanted = in_a_process(code)
    assert grown >= 0.9 * wanted


def test_threads_take_as_much_as_the_layers_need(compiled):
    library = compiled.engine.library
    mib = [scratch.thread_bytes(library, [n, n, n], 32) / 2**20 for n in (1, 32, 256, 1024, 16384)]
    assert mib == sorted(mib)
    assert mib[0] < 0.05
    assert mib[-1] < 5
    for narrow, wide in pairwise((1, 7, 64, 100, 333, 1024)):  # a piece of a layer fits where the layer does
        assert scratch.thread_bytes(library, [narrow, 90], 32) <= scratch.thread_bytes(library, [wide, 90], 32)
