"""Whether the cells that a folder holds answer what is asked now: the same data, parts and tests.

Every cell notes how its data were parted, which file they came from and what it was tested with. What a cell does not
note, because an earlier version wrote it, is not held against it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from interplay.evaluation.comparison.sources import Source, held
from interplay.evaluation.comparison.store import Cell, ConfigurationError, Store


def check_kept(store: Store, asked: Sequence[Cell], sources: Mapping[str, Source], tests: Mapping[str, Any]) -> None:
    """Compare what is asked with what finished cells were run on and tested with.

    Data in memory are compared by their fingerprint; so is a file, unless it is the one that the cell notes, read in
    the same way. A callable is not called for this, what it returns is compared when a cell needs it; and a file that
    is not here, which only matters where nothing is run, is not missed.

    Args:
        store: the folder.
        asked: the cells of this grid.
        sources: the data by name.
        tests: what each cell has to hold, see `interplay.evaluation.comparison.conditions.asked_tests`.

    Raises:
        ConfigurationError: they differ; the message says in what.
    """
    finished: dict[str, list[Cell]] = {}
    for cell in store.cells():
        finished.setdefault(cell.dataset, []).append(cell)
    for name, source in sources.items():
        notes = {cell: store.notes(cell) for cell in finished.get(name, [])}
        for cell, said in notes.items():  # all of the folder: parts of two kinds would be read as one grid
            _same_split(store, cell, said.get("split"), source)
        kept = {cell: notes[cell] for cell in asked if cell in notes}
        for cell, said in kept.items():
            _same_tests(store, cell, said.get("tests"), tests)
        _same_data(store, source, kept)


def _same_split(store: Store, cell: Cell, kept: Mapping[str, Any] | None, source: Source) -> None:
    if kept is None:  # an earlier version; the file's name says at least whether there were folds
        if (cell.fold is None) == (source.folds is None):
            return
        kept = {"folds": None if cell.fold is None else "some"}
    if kept != source.split:
        raise store.conflict("data", cell.dataset, {"split": kept}, {"split": source.split})


def _same_tests(store: Store, cell: Cell, kept: Mapping[str, Any] | None, asked: Mapping[str, Any]) -> None:
    """What is asked was computed; more than that does no harm."""
    for name, value in asked.items():
        if kept is not None and kept.get(name) != value:
            how = f"with another {name}, {kept[name]}," if name in kept else f"without {name}"
            raise ConfigurationError(
                f"{str(store.folder)!r} holds cells that were tested {how} ({cell}); choose another folder, or ask for "
                "what they have"
            )


def _same_data(store: Store, source: Source, kept: Mapping[Cell, Mapping[str, Any]]) -> None:
    file = source.file() if kept else None
    compared = set()
    for cell, notes in kept.items():
        known = store.kept("data", cell.dataset, cell.part)
        if known is None or source.unseen or (file is not None and notes.get("file") == file) or cell.part in compared:
            continue
        compared.add(cell.part)
        source = source.read()
        now = held(source.parts(cell.seed, cell.fold))
        if known["fingerprint"] != now["fingerprint"]:
            said = notes.get("file")
            before, after = ({"file": said}, {"file": file}) if said and file else ({}, {})
            raise store.conflict("data", cell.dataset, {**before, **known}, {**after, **now})
