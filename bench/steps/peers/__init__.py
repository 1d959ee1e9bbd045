"""Other libraries at the same work: which of them can run, and their runners.

The work is one step of gradient descent in float32, sigmoid throughout, quadratic cost, from the same parameters;
scikit-learn's last layer is linear, as it has no other for that cost. Each library is set up as its own manual advises,
and works on as many threads as our BLAS.
"""

from bench.steps.peers.present import absent_peers, build_peer, peer_facts

__all__ = ["absent_peers", "build_peer", "peer_facts"]
