"""External: lists of test events that were made elsewhere; what a list lacks is tied behind all that it has."""

import torch

from ptebench.files import VOCABULARY, InputError, read_table
from ptebench.recommenders.external import read_lists
from ptebench.recommenders.ranking import candidates_of

ABSENT = float("-inf")


class Counter:
    """Scores (B, n_items + 1) of events: those of their lists, or of their users' lists."""

    def __init__(self, settings: dict, catalogue):
        self.settings, self.items = settings, catalogue.items
        self.file, self.vocabulary = catalogue.lists
        self.histories: dict[int, bytes] = {}  # of users, to tell whether one list can serve all their events
        self.notes: dict[str, dict[str, dict[str, int]]] = {"lists": {}}

    def fit(self, train) -> None:
        """Read the lists."""
        self.state = read_lists(self.file, self.vocabulary, self.settings)

    def state_dict(self) -> dict:
        """Return the lists as tensors: owners, offsets, items, scores, lines, and whether owners are events."""
        return self.state

    def load_state_dict(self, state: dict) -> None:
        """Take the lists back."""
        self.state = state

    def attend(self, events, remove_seen: bool) -> None:
        """Find the list of each event of a ranking; raise InputError for one that is missing, or too short."""
        by_event = bool(self.state["by_event"])
        if not by_event:
            self._refuse_two_histories(events)
        owners, owner = self.state["owners"], events.event if by_event else events.users
        place = torch.searchsorted(owners, owner).clamp_max(max(len(owners) - 1, 0))
        there = owners[place] == owner if len(owners) else torch.zeros_like(owner, dtype=torch.bool)
        self.row = dict(zip(events.event.tolist(), torch.where(there, place, -1).tolist(), strict=True))
        self._refuse(events, ~there, "missing", lambda row: "has no list")
        depths, sizes = self._depths(events, remove_seen)
        short = there & (depths < sizes.clamp_max(self.settings["k"]))
        self._refuse(events, short, "short", lambda row: self._shortness(int(depths[row]), self.row_of(events, row)))
        total = int(self.state["offsets"].diff()[place[there]].sum())
        self.notes["lists"][events.ranking] = {
            "events": len(there), "without_list": int((~there).sum()), "short": int(short.sum()),
            "rows": total, "of_no_candidate": total - int(depths.sum()),
        }  # fmt: skip

    def scores_of(self, events) -> torch.Tensor:
        """Return (B, n_items + 1) float64 of events (B,), minus infinity where the list has no such item."""
        scores = torch.full((len(events), self.items + 1), ABSENT, dtype=torch.float64)
        for row, event in enumerate(events.tolist()):
            if (place := self.row[event]) >= 0:
                part = self._part(place)
                scores[row, self.state["items"][part]] = self.state["scores"][part]
        return scores

    def row_of(self, events, row: int) -> int:
        """Return the list of the event in a row of `events`."""
        return self.row[int(events.event[row])]

    def _part(self, place: int) -> slice:
        return slice(int(self.state["offsets"][place]), int(self.state["offsets"][place + 1]))

    def _depths(self, events, remove_seen: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return how many candidates of each event (E,) its list has, and how many the event has."""
        places = [self.row[event] for event in events.event.tolist()]
        parts = [self.state["items"][self._part(p)] if p >= 0 else self.state["items"][:0] for p in places]
        lengths = torch.tensor([len(part) for part in parts])
        owners = torch.repeat_interleave(torch.arange(len(parts)), lengths)
        inside, sizes = candidates_of(events, remove_seen, self.items, owners, torch.cat(parts))
        return torch.bincount(owners[inside], minlength=len(parts)), sizes

    def _refuse_two_histories(self, events) -> None:
        """Raise InputError for a user whose events have different histories, and so want a list each."""
        items, offsets = events.histories.values.numpy(), events.histories.offsets.tolist()
        for row, user in enumerate(events.users.tolist()):
            history = items[offsets[row] : offsets[row + 1]].tobytes()
            if self.histories.setdefault(user, history) != history:
                raise InputError(
                    f"{self.file}: {self._user(user)} has test events with different histories, and one list; tell "
                    "lists by event: a column `event` with the numbers of test.csv, which `snakemake exports` writes"
                )

    def _refuse(self, events, faulty: torch.Tensor, policy: str, says) -> None:
        """Raise InputError naming the first faulty event (E,), unless the policy of that name lets it pass."""
        if self.settings[policy] == "last" or not faulty.any():
            return
        row = int(faulty.nonzero()[0])
        mend = {"missing": "supply a list of each", "short": "supply longer lists"}[policy]
        raise InputError(
            f"{self.file}: event {int(events.event[row])} of {self._user(int(events.users[row]))} (ranking "
            f"{events.ranking}) {says(row)}; {int(faulty.sum()):,} of {len(faulty):,} events are so; {mend}, "
            f"or set {policy}: last, which ties what is not listed behind what is"
        )

    def _shortness(self, depth: int, place: int) -> str:
        part = self._part(place)
        return (
            f"has {depth} candidates among the {part.stop - part.start} rows of its list, which begins in line "
            f"{int(self.state['lines'][part.start])}, and fewer than k, {self.settings['k']}"
        )

    def _user(self, user: int) -> str:
        words = read_table(self.vocabulary, VOCABULARY)
        return f"user {words.filter(side='user', id=user)['raw'][0]!r}"
