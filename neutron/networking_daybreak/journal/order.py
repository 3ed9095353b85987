"""rules: in which order changes go out, and which of them have to wait for others."""

from collections.abc import Iterable, Mapping

from networking_daybreak.northbound.answers import Change
from networking_daybreak.resources.kind import Kind


def ranks(kinds: Mapping[str, Kind]) -> Mapping[str, int]:
    """How far each kind is from those that refer to nothing. Raises ValueError where kinds refer to each other."""
    found: dict[str, int] = {}

    def rank(name: str, on_the_way: tuple[str, ...]) -> int:
        if name in on_the_way:
            raise ValueError(f"{' → '.join((*on_the_way, name))}: kinds may not refer to each other in a circle")
        if name not in found:
            parents = (each for each in kinds[name].parent_kinds if each in kinds and each != name)
            found[name] = 1 + max((rank(each, (*on_the_way, name)) for each in parents), default=-1)
        return found[name]

    for name in kinds:
        rank(name, ())
    return found


def children(kinds: Mapping[str, Kind]) -> Mapping[str, tuple[str, ...]]:
    """For each kind those that refer to it."""
    return {name: tuple(each.name for each in kinds.values() if name in each.parent_kinds) for name in kinds}


def sending_order(changes: Iterable[Change], ranked: Mapping[str, int]) -> list[Change]:
    """Parents before what refers to them; then what's gone, the other way round."""

    def place(change: Change) -> tuple[bool, int]:
        rank = ranked[change.kind]
        return (True, -rank) if change.body is None else (False, rank)

    return sorted(changes, key=place)
