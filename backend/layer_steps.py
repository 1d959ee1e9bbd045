"""A layer's step forward and its step backward, made of kernels; a backend may have one kernel for a whole step.

Layer l takes `a` = a_{l-1} (rows, n_in) to activation(a W + b), with `W` (n_in, n_out) and `b` (n_out,). Knows no
network: whoever calls says which layer is next.
"""

from backend.dropping import Drop
from backend.formulas import Array
from backend.kernels import Kernels


class LayerSteps(Kernels):
    """Kernels, and the steps of a layer that are made of them."""

    def forward_layer_(
        self,
        a: Array,
        W: Array,
        b: Array,
        activation: str,
        *,
        out: Array,
        soon: Array | None = None,
        drop: Drop | None = None,
    ) -> bool:
        """out := activation(a W + b): `a` (rows, n_in), `W` (n_in, n_out), `b` (n_out,), `out` (rows, n_out).

        Returns False where the backend has seen that a value is not finite; one that does not look returns True.
        `soon` is the array needed next: a backend may prefetch it, or ignore it. `drop`: which outputs are set to 0.
        """
        self.matmul(a, W, out=out)
        self.add_bias_activate_(out, b, activation)
        if drop is not None:
            self.drop_(out, drop)
        return True

    def backward_layer_(
        self,
        a: Array,
        delta: Array,
        W: Array,
        activation: str | None,
        *,
        first: int,
        weight: Array,
        bias: Array | None,
        onto: bool = False,
        factor: float = 1.0,
        keep: float = 1.0,
        piece: Array | None = None,
        soon: tuple[Array | None, Array | None] = (None, None),
        drop: Drop | None = None,
    ) -> None:
        """A layer's gradient for c of its inputs, those from `first` on, and then the error of the layer below.

        `a` (rows, n_in), `delta` (rows, n_out), `W` (n_in, n_out). `weight` (c, n_out) becomes a[:, first:first+c]'
        delta and `bias` (n_out,) the sum of delta's rows; with `onto`, `factor` times these are added onto `keep` times
        what is there. None for `bias` omits it.

        `activation` is the layer below's: those columns of `a`, its output, become its error in place. None leaves `a`
        as it is: it is the input. `piece` is scratch memory for some rows of the error, a vector of a multiple of c
        values; backends whose facts say `error_in_place` need none.
        `soon` are the arrays needed next: a backend may prefetch them, or ignore them. `drop` is what was dropped of
        `a`, whose error is 0.
        """
        width = weight.shape[0]
        columns = slice(first, first + width)
        if bias is not None:
            self.sum_rows(delta, out=bias, onto=onto, factor=factor, keep=keep)
        if onto:
            self.add_product_(weight, a[:, columns].T, delta, factor=factor, keep=keep)
        else:
            self.matmul(a[:, columns].T, delta, out=weight)
        if activation is None:
            return
        if piece is None:
            piece = self.empty((delta.shape[0] * width,), self.dtype_name(a))
        rows, Wt = piece.shape[0] // width, W[columns, :].T
        for start in range(0, delta.shape[0], rows):
            chunk = slice(start, min(start + rows, delta.shape[0]))
            d = self.xp.reshape(piece[: (chunk.stop - start) * width], (chunk.stop - start, width))
            self.matmul(delta[chunk, :], Wt, out=d)
            if drop is not None:  # the slope is that of the whole output
                self.drop_(a[chunk, :], drop.from_row(start), columns, undo=True)
            self.hidden_delta_(a[chunk, :], d, activation, columns)
            if drop is not None:
                self.drop_(a[chunk, :], drop.from_row(start), columns)

    def backward_onto_weights_(
        self,
        a: Array,
        delta: Array,
        W: Array,
        b: Array | None,
        activation: str | None,
        *,
        first: int,
        width: int,
        rate: float,
        piece: Array | None = None,
        drop: Drop | None = None,
    ) -> None:
        """`backward_layer_`, with `rate` times the gradient taken off the weights of those c = `width` inputs at once.

        No gradient is held. As the weights change, the whole error of those inputs is made before, in `piece`, a vector
        of rows * c values; None for `activation` needs none. `b` changes as the weights do, and is left alone for None.
        """
        columns = slice(first, first + width)
        weights = W[columns, :]
        if activation is not None:
            size = delta.shape[0] * width
            piece = self.empty((size,), self.dtype_name(a)) if piece is None else piece[:size]
            d = self.xp.reshape(piece, (delta.shape[0], width))
            self.matmul(delta, weights.T, out=d)
        if b is not None:
            self.sum_rows(delta, out=b, onto=True, factor=-rate)
        self.add_product_(weights, a[:, columns].T, delta, factor=-rate)
        if activation is None:
            return
        if drop is not None:
            self.drop_(a, drop, columns, undo=True)
        self.hidden_delta_(a, d, activation, columns)
        if drop is not None:
            self.drop_(a, drop, columns)
