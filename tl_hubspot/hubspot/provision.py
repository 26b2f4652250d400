"""Bring a portal's property group, properties, options, pipelines and stages into being; nothing when all exist.

What is wanted comes from the mapping by way of `planning`; this module only compares it with the portal. It never
removes or renames anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.hubspot import routes
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.objects import OBJECT_TYPES, pages
from tl_hubspot.hubspot.reactions import AnswerLost, Refused

VISIBLE_AFTER = (0.25, 0.25, 0.5, 0.5, 1.0, 1.0, 2.0, 4.0)
"""Seconds between looks for a new property; HubSpot shows it 250 to 700 ms after its creation."""

LOST_FOR = (0.5, 2.0, 8.0)
"""Seconds before a creation whose answer was lost is asked again; a pipeline or stage only when not there."""

BOOLEAN_OPTIONS = (("true", "Yes"), ("false", "No"))


@dataclass(frozen=True)
class PropertyWanted:
    """A property that must exist. `options`: (value, label) pairs of an enumeration, ignored for bool."""

    entity_type: str
    name: str
    label: str
    type: str
    field_type: str
    options: tuple[tuple[str, str], ...] = ()
    unique: bool = False


@dataclass(frozen=True)
class StageWanted:
    """A stage, found by its label; `symbol` is how a plan refers to it until its id is known."""

    symbol: str
    label: str
    probability: str
    """0 to 1 as text."""
    is_closed: bool = False


@dataclass(frozen=True)
class PipelineWanted:
    """A deal pipeline, found by its label, with its stages in order."""

    symbol: str
    label: str
    stages: tuple[StageWanted, ...]


@dataclass
class Provisioned:
    """`created`: what was made, in words. `symbols`: symbol → HubSpot id. `problems`: what could not be made."""

    created: list[str] = field(default_factory=list)
    symbols: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def provision(
    gateway: HubSpotGateway,
    properties: Sequence[PropertyWanted] = (),
    pipelines: Sequence[PipelineWanted] = (),
    *,
    group: tuple[str, str] = ("teamleader", "Teamleader"),
) -> Provisioned:
    """Make what is missing. `group`: (name, label) of the property group for new properties.

    Raises ConfigurationError when a property exists with another type, is not unique though it must be, or is refused.
    """
    done = Provisioned()
    wanted = {kind: [p for p in properties if p.entity_type == kind] for kind in OBJECT_TYPES}
    kinds = [kind for kind in OBJECT_TYPES if wanted[kind]]
    existing = dict(gateway.run(partial(_existing, gateway), kinds))
    # All checks come first, so that a wrong portal is left as it was.
    for kind in kinds:
        for present in (p for p in wanted[kind] if p.name in existing[kind]):
            _check(present, existing[kind][present.name])
    made = dict(gateway.run(lambda kind: _properties(gateway, wanted[kind], existing[kind], group), kinds))
    for kind in kinds:
        done.created += made[kind]
    if pipelines:
        _pipelines(gateway, pipelines, done)
    return done


# --- properties ------------------------------------------------------------------------------------------------------


def _existing(gateway: HubSpotGateway, entity_type: str) -> dict[str, dict[str, Any]]:
    return {d["name"]: d for d in _listed(gateway, routes.PROPERTY_LIST, {"type": OBJECT_TYPES[entity_type]})}


def _properties(
    gateway: HubSpotGateway,
    wanted: Sequence[PropertyWanted],
    existing: Mapping[str, dict[str, Any]],
    group: tuple[str, str],
) -> list[str]:
    """Make what is missing of one entity type; what was made, in words. Called in a worker thread."""
    entity_type = wanted[0].entity_type
    path = {"type": OBJECT_TYPES[entity_type]}
    missing = [p for p in wanted if p.name not in existing]
    created: list[str] = []
    if missing:
        created += _group(gateway, path, group)
    for new in missing:
        body = {
            "name": new.name,
            "label": new.label,
            "groupName": group[0],
            "type": new.type,
            "fieldType": new.field_type,
            "hasUniqueValue": new.unique,
        }
        options = BOOLEAN_OPTIONS if new.type == "bool" else new.options
        if options:
            body["options"] = [_option(value, label, place) for place, (value, label) in enumerate(options)]
        _create(gateway, routes.PROPERTY_CREATE, path, body, f"the property {entity_type}.{new.name}")
        created.append(f"property {entity_type}.{new.name}")
    for new in missing:
        _wait_until_visible(gateway, path, new.name)
    for present in (p for p in wanted if p.name in existing and p.type == "enumeration"):
        created += _extend_options(gateway, path, present, existing[present.name])
    return created


def _check(wanted: PropertyWanted, existing: dict[str, Any]) -> None:
    name = f"{wanted.entity_type}.{wanted.name}"
    if existing.get("type") != wanted.type:
        raise ConfigurationError(
            f"The HubSpot property {name} has type {existing.get('type')}, the mapping wants {wanted.type}",
            mend="Rename the property in the mapping, or archive the one in HubSpot",
        )
    if wanted.unique and not existing.get("hasUniqueValue"):
        raise ConfigurationError(
            f"The HubSpot property {name} is not unique, and HubSpot cannot change that later",
            mend="Archive it in HubSpot under another name, or name another property in the mapping",
        )


def _group(gateway: HubSpotGateway, path: dict[str, str], group: tuple[str, str]) -> list[str]:
    name, label = group
    if any(g["name"] == name for g in _listed(gateway, routes.GROUP_LIST, path)):
        return []
    body = {"name": name, "label": label, "displayOrder": -1}
    _create(gateway, routes.GROUP_CREATE, path, body, f"the property group {name}")
    return [f"property group {path['type']}.{name}"]


def _extend_options(
    gateway: HubSpotGateway,
    path: dict[str, str],
    wanted: PropertyWanted,
    existing: dict[str, Any],
) -> list[str]:
    # HubSpot replaces the whole list, so that what people added must be sent back.
    options = list(existing.get("options") or ())
    known = {option["value"] for option in options}
    added = [(value, label) for value, label in wanted.options if value not in known]
    if not added:
        return []
    options += [_option(value, label, len(options) + place) for place, (value, label) in enumerate(added)]
    gateway.call(routes.PROPERTY_UPDATE, path={**path, "name": wanted.name}, body={"options": options})
    return [f"options {', '.join(v for v, _ in added)} of property {wanted.entity_type}.{wanted.name}"]


def _option(value: str, label: str, place: int) -> dict[str, Any]:
    return {"value": value, "label": label, "displayOrder": place, "hidden": False}


def _wait_until_visible(gateway: HubSpotGateway, path: dict[str, str], name: str) -> None:
    for seconds in (*VISIBLE_AFTER, None):
        try:
            gateway.call(routes.PROPERTY_GET, path={**path, "name": name}, expect=(404,))
            return
        except Refused as refused:
            if seconds is None or refused.problem.status != 404:
                raise
            gateway.sleep(seconds)


def _create(gateway: HubSpotGateway, route: routes.Route, path: dict[str, str], body: Any, what: str) -> None:
    """One creation that is fine when the thing exists already, and is asked again when the answer was lost."""
    for seconds in (*LOST_FOR, None):
        try:
            gateway.call(route, path=path, body=body)
            return
        except Refused as refused:
            if refused.problem.is_conflict:
                return
            raise ConfigurationError(
                f"HubSpot refused to create {what}: {refused.problem.message}",
                mend="Mend the mapping or the portal (limits of its tier), then run again",
            ) from None
        except AnswerLost:
            # A name makes a definition unique, so that a second try can only find it, not double it.
            if seconds is None:
                raise
            gateway.sleep(seconds)


# --- pipelines -------------------------------------------------------------------------------------------------------


def _pipelines(gateway: HubSpotGateway, wanted: Iterable[PipelineWanted], done: Provisioned) -> None:
    path = {"type": "deals"}
    existing = _by_label(_listed(gateway, routes.PIPELINE_LIST, path))
    for pipeline in wanted:

        def look(label: str = _folded(pipeline.label)) -> dict[str, Any] | None:
            return _by_label(_listed(gateway, routes.PIPELINE_LIST, path)).get(label)

        found = existing.get(_folded(pipeline.label))
        if found is None:
            body = {
                "label": pipeline.label,
                "displayOrder": len(existing),
                "stages": [_stage(stage, place) for place, stage in enumerate(pipeline.stages)],
            }
            found = _made(gateway, routes.PIPELINE_CREATE, path, body, f"pipeline {pipeline.label}", look, done)
        if found is not None:
            existing[_folded(pipeline.label)] = found
            done.symbols[pipeline.symbol] = found["id"]
            _stages(gateway, pipeline, found, done)


def _stages(gateway: HubSpotGateway, pipeline: PipelineWanted, found: dict[str, Any], done: Provisioned) -> None:
    path = {"type": "deals", "pipeline": found["id"]}
    existing = _by_label(found.get("stages") or ())
    for place, stage in enumerate(pipeline.stages):

        def look(label: str = _folded(stage.label)) -> dict[str, Any] | None:
            again = _by_label(_listed(gateway, routes.PIPELINE_LIST, {"type": "deals"}))
            return _by_label((again.get(_folded(pipeline.label)) or {}).get("stages") or ()).get(label)

        there = existing.get(_folded(stage.label))
        if there is None:
            what = f"stage {stage.label} of pipeline {pipeline.label}"
            there = _made(gateway, routes.STAGE_CREATE, path, _stage(stage, place), what, look, done)
        if there is not None:
            existing[_folded(stage.label)] = there
            done.symbols[stage.symbol] = there["id"]


def _made(
    gateway: HubSpotGateway,
    route: routes.Route,
    path: dict[str, str],
    body: Any,
    what: str,
    look: Callable[[], dict[str, Any] | None],
    done: Provisioned,
) -> dict[str, Any] | None:
    """What `look` finds after the creation; None when there is nothing: that is a problem of its deals only.

    When the answer was lost, it is looked for before it is asked again: a label is no key, two could be made.
    """
    found: dict[str, Any] | None = None
    for seconds in LOST_FOR:
        lost = was_there = False
        try:
            gateway.call(route, path=path, body=body)
        except AnswerLost:
            lost = True
            gateway.sleep(seconds)
        except Refused as refused:
            if not refused.problem.is_conflict:
                done.problems.append(f"{what} was refused: {refused.problem.message}")
                return None
            was_there = True
        found = look()
        if found is not None or not lost:
            break
    if found is None:
        done.problems.append(f"{what} did not appear after its creation")
    elif not was_there:
        done.created.append(what)
    return found


def _stage(stage: StageWanted, place: int) -> dict[str, Any]:
    return {
        "label": stage.label,
        "displayOrder": place,
        "metadata": {"probability": stage.probability, "isClosed": "true" if stage.is_closed else "false"},
    }


def _by_label(items: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for item in items:
        if not item.get("archived"):
            found.setdefault(_folded(item.get("label") or ""), item)
    return found


def _folded(label: str) -> str:
    return " ".join(label.split()).casefold()


def _listed(gateway: HubSpotGateway, route: routes.Route, path: dict[str, str]) -> list[dict[str, Any]]:
    return [item for page in pages(gateway, route, path=path) for item in page]
