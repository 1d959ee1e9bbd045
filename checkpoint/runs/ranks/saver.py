"""When the state of a training on ranks is saved: all ranks at once, when rank 0 says so."""

from collections.abc import Mapping

from checkpoint.execution.ranks.network import NetworkOnRanks
from checkpoint.execution.ranks.saving import save_on_ranks
from checkpoint.runs.states.saver import Every, Saver, Saving
from mlp import Progress


class RankSaver(Saver):
    """A `Saver` whose methods all ranks call together."""

    def __init__(
        self, network: NetworkOnRanks, progress: Progress, saving: Saving | None, notes: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(network, progress, saving, notes)
        self._of_ranks = network

    def _time_is_up(self, every: Every) -> bool:
        link = self._of_ranks.link
        return bool(link.agree(int(link.rank == 0 and super()._time_is_up(every))))

    def _save(self, saving: Saving) -> None:
        if save_on_ranks(saving.path, self._of_ranks, self.progress, keep=saving.keep, notes=self._notes):
            self._note_saved()
