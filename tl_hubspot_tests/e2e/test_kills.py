"""A run is killed anywhere, or loses an answer: the next one ends where an undisturbed run does, repeating nothing.

A few places are tried by default; with TL_HUBSPOT_ALL_WAYS set it is each of them. `benchmarks/kills.py` tries them in
variants of the worlds too, in parts, and counts.
"""

from __future__ import annotations

import os

import pytest

from tl_hubspot_tests.e2e import kill_worlds
from tl_hubspot_tests.e2e.conftest import Make
from tl_hubspot_tests.e2e.killing import LOST, Scene, attempts


@pytest.fixture(scope="module")
def scene(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(kill_worlds.first(make), tmp_path_factory.mktemp("kills") / "first")


def point(scene: Scene, path: str, place: int = 0) -> int:
    """Number of the point after the call whose path holds `path`."""
    return [n for n, name in enumerate(scene.points, 1) if "after " in name and path in name][place]


def test_killed_among_opt_outs_and_again_while_settling(scene: Scene) -> None:
    scene.kill(point(scene, "/unsubscribe-all", 2), 3)


def test_the_answer_to_an_import_is_lost(scene: Scene) -> None:
    number = next(n for n, (_, path) in enumerate(scene.writes, 1) if "imports" in path)
    scene.once_more = False
    scene.lose(number, LOST[1])


@pytest.mark.skipif("TL_HUBSPOT_ALL_WAYS" not in os.environ, reason="some seconds for each of hundreds of places")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("world", [kill_worlds.first, kill_worlds.later])
def test_everywhere(make: Make, tmp_path_factory: pytest.TempPathFactory, world: kill_worlds.World) -> None:
    scene = Scene(world(make), tmp_path_factory.mktemp("kills") / "all", full=world is kill_worlds.later)
    wrong = []
    for name, attempt in attempts(scene):
        try:
            attempt()
        except AssertionError as error:
            wrong.append(f"{name}: {error}")
    assert not wrong, "\n".join(wrong)
