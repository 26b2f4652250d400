"""Pipelines and their stages: the portal's default one, those that are added, and the routes.

Only deals have pipelines here. Whether a deal's stage fits its pipeline is checked in `records`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tl_hubspot.sandbox.hubspot.catalog import DEFAULT_PIPELINE, DEFAULT_STAGES
from tl_hubspot.sandbox.hubspot.errors import ApiError, not_found, validation_error
from tl_hubspot.sandbox.hubspot.http import Call, Reply, route
from tl_hubspot.sandbox.hubspot.object_types import OBJECT_TYPES, ObjectType, object_type
from tl_hubspot.sandbox.hubspot.times import to_iso

if TYPE_CHECKING:
    from tl_hubspot.sandbox.hubspot.portal import Portal

_DEALS = OBJECT_TYPES["deals"]
_OLD = "2019-08-06T02:41:08.029Z"


class StageInput(msgspec.Struct):
    label: str
    displayOrder: int
    metadata: dict[str, str] = {}
    stageId: str | None = None


class StagePatch(msgspec.Struct):
    label: str | None = None
    displayOrder: int | None = None
    metadata: dict[str, str] | None = None
    archived: bool | None = None


class PipelineInput(msgspec.Struct):
    label: str
    displayOrder: int
    stages: list[StageInput]
    pipelineId: str | None = None


class PipelinePatch(msgspec.Struct):
    label: str | None = None
    displayOrder: int | None = None
    archived: bool | None = None


class Pipelines:
    """Deal pipelines as HubSpot shows them, each with its stages."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._pipelines: dict[str, dict[str, Any]] = portal.store.documents("pipeline")
        if not self._pipelines:
            stages = [
                StageInput(label, order, {"probability": probability, "isClosed": closed}, stage_id)
                for order, (stage_id, label, probability, closed) in enumerate(DEFAULT_STAGES)
            ]
            pipeline_id, label = DEFAULT_PIPELINE
            body = self._body(pipeline_id, label, 0, _OLD)
            body["stages"] = [self._stage(stage, _OLD) for stage in stages]
            self._pipelines[pipeline_id] = body

    def all(self) -> list[dict[str, Any]]:
        return sorted(self._pipelines.values(), key=lambda body: body["displayOrder"])

    def get(self, pipeline_id: str) -> dict[str, Any]:
        if pipeline_id not in self._pipelines:
            raise not_found(f"Pipeline {pipeline_id} does not exist.")
        return self._pipelines[pipeline_id]

    def pipeline_options(self) -> list[tuple[str, str]]:
        """(id, label)"""
        return [(body["id"], body["label"]) for body in self.all()]

    def stage_options(self) -> list[tuple[str, str]]:
        """(id, label) of the stages of every pipeline."""
        return [(stage["id"], stage["label"]) for body in self.all() for stage in body["stages"]]

    def stages(self, pipeline_id: str) -> dict[str, dict[str, str]]:
        """Stage id → metadata; empty for an unknown pipeline."""
        body = self._pipelines.get(pipeline_id)
        return {stage["id"]: stage["metadata"] for stage in body["stages"]} if body else {}

    def create(self, wanted: PipelineInput) -> dict[str, Any]:
        pipeline_id = wanted.pipelineId or self._new_id()
        if pipeline_id in self._pipelines:
            raise ApiError(409, "CONFLICT", f"A pipeline with id {pipeline_id} already exists.")
        self._check_label(wanted.label, None)
        body = self._body(pipeline_id, wanted.label, wanted.displayOrder, self._now())
        body["stages"] = self._new_stages(wanted.stages)
        return self._save(body)

    def replace(self, pipeline_id: str, wanted: PipelineInput, *, check_use: bool) -> dict[str, Any]:
        body = dict(self.get(pipeline_id))
        self._check_label(wanted.label, pipeline_id)
        kept = {stage.stageId for stage in wanted.stages}
        for stage in body["stages"]:
            if stage["id"] not in kept and check_use:
                self._check_unused("dealstage", stage["id"])
        others = [stage["id"] for stage in body["stages"]]
        body |= {"label": wanted.label, "displayOrder": wanted.displayOrder, "updatedAt": self._now()}
        body["stages"] = self._new_stages(wanted.stages, own=others)
        return self._save(body)

    def patch(self, pipeline_id: str, wanted: PipelinePatch) -> dict[str, Any]:
        body = dict(self.get(pipeline_id))
        if wanted.label is not None:
            self._check_label(wanted.label, pipeline_id)
            body["label"] = wanted.label
        if wanted.displayOrder is not None:
            body["displayOrder"] = wanted.displayOrder
        body["updatedAt"] = self._now()
        return self._save(body)

    def delete(self, pipeline_id: str, *, check_use: bool) -> None:
        self.get(pipeline_id)
        if len(self._pipelines) == 1:
            raise validation_error("The last pipeline cannot be deleted.", code="CANNOT_DELETE_LAST_PIPELINE")
        if check_use:
            self._check_unused("pipeline", pipeline_id)
        del self._pipelines[pipeline_id]
        self._portal.store.delete_document("pipeline", pipeline_id)

    def create_stage(self, pipeline_id: str, wanted: StageInput) -> dict[str, Any]:
        body = dict(self.get(pipeline_id))
        (stage,) = self._new_stages([wanted])
        body["stages"] = [*body["stages"], stage]
        self._save(body)
        return stage

    def stage(self, pipeline_id: str, stage_id: str) -> dict[str, Any]:
        for stage in self.get(pipeline_id)["stages"]:
            if stage["id"] == stage_id:
                return dict(stage)
        raise not_found(f"Stage {stage_id} does not exist in pipeline {pipeline_id}.")

    def change_stage(self, pipeline_id: str, stage_id: str, wanted: StagePatch) -> dict[str, Any]:
        stage = dict(self.stage(pipeline_id, stage_id))
        if wanted.label is not None:
            stage["label"] = wanted.label
        if wanted.displayOrder is not None:
            stage["displayOrder"] = wanted.displayOrder
        if wanted.metadata is not None:
            stage["metadata"] = self._metadata(wanted.metadata)
        stage["updatedAt"] = self._now()
        body = dict(self.get(pipeline_id))
        body["stages"] = [stage if item["id"] == stage_id else item for item in body["stages"]]
        self._save(body)
        return stage

    def delete_stage(self, pipeline_id: str, stage_id: str, *, check_use: bool) -> None:
        self.stage(pipeline_id, stage_id)
        if check_use:
            self._check_unused("dealstage", stage_id)
        body = dict(self.get(pipeline_id))
        body["stages"] = [item for item in body["stages"] if item["id"] != stage_id]
        self._save(body)

    def _new_stages(self, wanted: list[StageInput], *, own: list[str] | None = None) -> list[dict[str, Any]]:
        taken = {value for value, _ in self.stage_options()} - set(own or ())
        stages = []
        for item in wanted:
            stage = self._stage(item, self._now())
            if stage["id"] in taken:
                raise ApiError(409, "CONFLICT", f"A stage with id {stage['id']} already exists.")
            taken.add(stage["id"])
            stages.append(stage)
        return stages

    def _stage(self, wanted: StageInput, now: str) -> dict[str, Any]:
        return {
            "id": wanted.stageId or self._new_id(),
            "label": wanted.label,
            "displayOrder": wanted.displayOrder,
            "metadata": self._metadata(wanted.metadata),
            "createdAt": now,
            "updatedAt": now,
            "archived": False,
            "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        }

    def _metadata(self, given: dict[str, str]) -> dict[str, str]:
        try:
            probability = float(given["probability"])
        except (KeyError, ValueError):
            probability = -1.0
        if not 0 <= probability <= 1:
            message = "Deal stages need a probability between 0.0 and 1.0 in their metadata."
            raise validation_error(message, code="INVALID_STAGE_METADATA")
        closed = given.get("isClosed") or str(probability in (0, 1)).lower()
        return given | {"isClosed": closed}

    def _body(self, pipeline_id: str, label: str, order: int, now: str) -> dict[str, Any]:
        return {
            "id": pipeline_id,
            "label": label,
            "displayOrder": order,
            "stages": [],
            "createdAt": now,
            "updatedAt": now,
            "archived": False,
        }

    def _check_label(self, label: str, own_id: str | None) -> None:
        if any(body["label"] == label and body["id"] != own_id for body in self._pipelines.values()):
            raise ApiError(409, "CONFLICT", f"A pipeline with label {label} already exists.")

    def _check_unused(self, name: str, value: str) -> None:
        if self._portal.store.count_where(_DEALS, name, value, limit=1):
            word = "STAGE" if name == "dealstage" else "PIPELINE"
            raise validation_error(f"{value} is used by deals and cannot be deleted.", code=f"{word}_ID_IN_USE")

    def _new_id(self) -> str:
        return str(self._portal.random.randrange(100_000_000, 1_000_000_000))

    def _now(self) -> str:
        return to_iso(self._portal.now_ms())

    def _save(self, body: dict[str, Any]) -> dict[str, Any]:
        body["stages"] = sorted(body["stages"], key=lambda stage: stage["displayOrder"])
        self._pipelines[body["id"]] = body
        self._portal.store.put_document("pipeline", body["id"], body)
        return body


# Routes

_READ = ("crm.objects.deals.read", "crm.schemas.deals.read", "automation")
_WRITE = ("crm.schemas.deals.write",)
_ROOT = "/crm/v3/pipelines/{object_type}"
_ONE = f"{_ROOT}/{{pipeline}}"
_STAGE = f"{_ONE}/stages/{{stage}}"


def _pipelines(call: Call) -> Pipelines:
    kind: ObjectType = object_type(call.params["object_type"])
    if kind is not _DEALS:
        raise validation_error(f"Object type {kind.name} has no pipelines.")
    return call.portal.pipelines


def _check_use(call: Call) -> bool:
    # Date-based versions always refuse to delete what is in use.
    return call.dated or call.flag("validateReferencesBeforeDelete") or call.flag("validateDealStageUsagesBeforeDelete")


def _audit(call: Call, identifier: str, created: str) -> Reply:
    entry = {
        "action": "CREATE",
        "identifier": identifier,
        "portalId": call.portal.profile.portal_id,
        "timestamp": created,
    }
    return Reply(200, {"results": [entry]})


@route("GET", _ROOT, _READ)
def _list(call: Call) -> Reply:
    return Reply(200, {"results": _pipelines(call).all()})


@route("POST", _ROOT, _WRITE)
def _create(call: Call) -> Reply:
    return Reply(201, _pipelines(call).create(call.json(PipelineInput)))


@route("GET", _ONE, _READ)
def _read(call: Call) -> Reply:
    return Reply(200, _pipelines(call).get(call.params["pipeline"]))


@route("PUT", _ONE, _WRITE)
def _replace(call: Call) -> Reply:
    wanted = call.json(PipelineInput)
    return Reply(200, _pipelines(call).replace(call.params["pipeline"], wanted, check_use=_check_use(call)))


@route("PATCH", _ONE, _WRITE)
def _patch(call: Call) -> Reply:
    return Reply(200, _pipelines(call).patch(call.params["pipeline"], call.json(PipelinePatch)))


@route("DELETE", _ONE, _WRITE)
def _delete(call: Call) -> Reply:
    _pipelines(call).delete(call.params["pipeline"], check_use=_check_use(call))
    return Reply(204)


@route("GET", f"{_ONE}/audit", _READ)
def _pipeline_audit(call: Call) -> Reply:
    return _audit(call, call.params["pipeline"], _pipelines(call).get(call.params["pipeline"])["createdAt"])


@route("GET", f"{_ONE}/stages", _READ)
def _list_stages(call: Call) -> Reply:
    return Reply(200, {"results": _pipelines(call).get(call.params["pipeline"])["stages"]})


@route("POST", f"{_ONE}/stages", _WRITE)
def _create_stage(call: Call) -> Reply:
    return Reply(201, _pipelines(call).create_stage(call.params["pipeline"], call.json(StageInput)))


@route("GET", _STAGE, _READ)
def _read_stage(call: Call) -> Reply:
    return Reply(200, _pipelines(call).stage(call.params["pipeline"], call.params["stage"]))


@route("PUT", _STAGE, _WRITE)
def _replace_stage(call: Call) -> Reply:
    given = call.json(StageInput)
    wanted = StagePatch(given.label, given.displayOrder, given.metadata)
    return Reply(200, _pipelines(call).change_stage(call.params["pipeline"], call.params["stage"], wanted))


@route("PATCH", _STAGE, _WRITE)
def _patch_stage(call: Call) -> Reply:
    wanted = call.json(StagePatch)
    return Reply(200, _pipelines(call).change_stage(call.params["pipeline"], call.params["stage"], wanted))


@route("DELETE", _STAGE, _WRITE)
def _delete_stage(call: Call) -> Reply:
    _pipelines(call).delete_stage(call.params["pipeline"], call.params["stage"], check_use=_check_use(call))
    return Reply(204)


@route("GET", f"{_STAGE}/audit", _READ)
def _stage_audit(call: Call) -> Reply:
    stage = _pipelines(call).stage(call.params["pipeline"], call.params["stage"])
    return _audit(call, stage["id"], stage["createdAt"])
