"""What `train` prints: what it trains on, a line for each epoch, and what all of it took."""

from checkpoint.runs.record import RunRecord
from checkpoint.units import counted, format_bytes
from mlp import EpochRecord
from mlp.data import Dataset


def described(dataset: Dataset) -> str:
    """The name of a data set, how many samples it has, and what to predict, where it is not the ten digits."""
    train = counted(len(dataset.train), f"training {dataset.kind}")
    classes, outputs = dataset.preparation.classes, dataset.outputs
    what = f", {counted(outputs, 'value')} each" if classes is None else f" of {len(classes)} classes"
    test = counted(len(dataset.test), f"test {dataset.kind}")
    return f"{dataset.name}, {train} and {test}{'' if classes == tuple(range(10)) else what}"


def epoch_line(epoch: EpochRecord, *, wrong: str = "") -> str:
    """The line of an epoch; `wrong`: what is wrong with the network after it, if anything is."""
    measured = {
        f"{kind} {measure}": getattr(epoch, f"{kind}_{measure}", None)
        for kind in ("test", "validation", "training")
        for measure in ("accuracy", "cost")
    }
    digits = {name: ".4f" if name.endswith("accuracy") else ".4g" for name in measured}
    shown = "".join(f"  {name} {value:{digits[name]}}" for name, value in measured.items() if value is not None)
    return f"epoch {epoch.epoch:3}{shown}  {epoch.seconds:.2f} s{'  ' * bool(wrong)}{wrong}"


def summary(record: RunRecord) -> str:
    """What a run did and took."""
    agree = "as predicted" if record.predicted_peak_bytes == record.measured_peak_bytes else "not as predicted"
    if not record.measured_peak_bytes:
        agree = "no whole mini-batch was left to train on"
    return (
        f"{_nothing_learnt(record)}"
        f"{_best(record)}"
        f"{_quality(record)}"
        f"{record.strategy}: {counted(record.recomputed_layers, 'layer')} recomputed per step\n"
        f"{_time_spent(record)}\n"
        f"peak above rest: {record.measured_peak_bytes:,} bytes measured, {record.predicted_peak_bytes:,} predicted "
        f"({agree})\n"
        f"{_pool(record)}"
        f"{_offloaded(record)}"
        f"{_whole(record)}"
    )


def _pool(record: RunRecord) -> str:
    """What a GPU's driver has given beside what was promised."""
    if record.pool_bytes is None:
        return ""
    outside = format_bytes(record.outside_bytes or 0)
    return (
        f"GPU memory: {record.pool_bytes:,} bytes in the pool, {record.promised_bytes:,} promised for parameters, "
        f"mini-batches and an arena of {record.arena_bytes:,}; {outside} outside the pool\n"
    )


def _nothing_learnt(record: RunRecord) -> str:
    """What is wrong with a network that has learnt nothing, and what to try."""
    if record.outputs_alike:
        return "the outputs do not differ between samples: lower --eta, or try --initialization scaled\n"
    if not record.nothing_learnt:
        return ""
    remedy = (
        "fewer layers, or --activation relu with --initialization scaled, as errors vanish in many layers of sigmoids"
        if record.test_rmse is None
        else "or values scaled to be near 1, as larger ones take many steps to reach"
    )
    return (
        f"nothing has been learnt: the costs are no lower than that of one answer for all samples, "
        f"{record.one_answer_cost:.4g}; try another --eta, more --epochs, {remedy}\n"
    )


def _whole(record: RunRecord) -> str:
    """All that the process had, part by part."""
    parts = ", ".join(f"{name} {format_bytes(size)}" for name, size in record.parts.items())
    return (
        f"resident peak of the process: {format_bytes(record.peak_resident_bytes)}\n"
        f"of memory: {parts}; the largest part is {record.largest_part}"
    )


def _best(record: RunRecord) -> str:
    if record.best_epoch is None:
        return ""
    return (
        f"the parameters are those of epoch {record.best_epoch}, the best of {record.epochs[-1].epoch}; a copy of them "
        f"took {format_bytes(record.best_bytes)} on the host\n"
    )


def _quality(record: RunRecord) -> str:
    """How near predicted values are, and how good the network is on the samples held out for validation."""
    lines = []
    if record.test_rmse is not None:
        r2 = "" if record.test_r2 is None else f", R^2 {record.test_r2:.4f}"
        lines.append(f"test root mean square error {record.test_rmse:.4g}{r2}\n")
    if record.validation_cost is not None:
        accuracy = "" if record.validation_accuracy is None else f"accuracy {record.validation_accuracy:.4f}, "
        samples = counted(record.validation_samples, "sample")
        lines.append(f"validation on {samples}: {accuracy}cost {record.validation_cost:.4g}\n")
    return "".join(lines)


def _time_spent(record: RunRecord) -> str:
    """Where the time went since the process began."""
    return (
        f"{record.seconds:.2f} s in steps ({record.batch_seconds:.2f} s of it taking mini-batches), "
        f"{record.evaluation_seconds:.2f} s in evaluation, {record.loading_seconds:.2f} s loading the data, "
        f"{record.other_seconds:.2f} s starting up and in all else: {record.busy_share:.0%} of "
        f"{record.wall_seconds:.2f} s in steps and evaluation"
    )


def _offloaded(record: RunRecord) -> str:
    if not record.offload_place:
        return ""
    return (
        f"offloaded: {format_bytes(record.offloaded_bytes)} per step to {record.offload_place} and back; at most "
        f"{record.host_asked_bytes:,} bytes are there at once and take {record.host_held_bytes:,} bytes of it\n"
    )
