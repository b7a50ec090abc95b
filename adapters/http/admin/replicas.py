"""The gateways on this log, and how the one that answers is.

Law: of itself a gateway tells what is so at this moment, of others what they last told.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs
from litestar import Response, get

from adapters.http.admin.entrance import READ
from adapters.http.admin.given import Given
from adapters.http.admin.office import Office
from adapters.http.admin.problems import READS


@attrs.frozen(kw_only=True)
class ReplicaShown:
    replica_id: str
    address: str
    "Where its control plane listens."
    version: str
    position: int
    "What it has applied."
    behind: int
    "Events of the log that it had not applied when it last told."
    age_s: float
    "Since it last told of itself."
    is_answering: bool
    "Whether it is the one that answers this."


@attrs.frozen(kw_only=True)
class Replicas:
    data: tuple[ReplicaShown, ...]
    "By id."
    head: int
    "The log's last position."


@attrs.frozen(kw_only=True)
class Status:
    replica_id: str
    version: str
    uptime_s: float
    is_ready: bool
    "Whether it wants requests."
    position: int
    "Of the table in force."
    faults: int
    "Models that are not quite what was defined; `snapshot` tells which and why."
    detail: Mapping[str, Any]
    "How the table stands to the log and to a configuration file, as /health/ready tells it."


@get("/replicas", operation_id="listReplicas", opt=READ, responses=READS)
async def replicas(office: Given[Office]) -> Response[Replicas]:
    """The gateways that share the log, with what each has applied and when it last told."""
    present = office.follower.snapshot.position
    others = [(one.replica, one.age_us) for one in await office.replicas()]
    others = [(replica, age_us) for replica, age_us in others if replica.replica_id != office.replica_id]
    head = max([await office.past.head(present), *(replica.position for replica, _ in others)])

    def shown(replica_id: str, address: str, version: str, position: int, age_us: int) -> ReplicaShown:
        return ReplicaShown(
            replica_id=replica_id,
            address=address,
            version=version,
            position=position,
            behind=head - position,
            age_s=age_us / 1_000_000,
            is_answering=replica_id == office.replica_id,
        )

    found = [shown(office.replica_id, office.address, office.version, present, 0)]
    found += [shown(one.replica_id, one.address, one.version, one.position, age_us) for one, age_us in others]
    data = tuple(sorted(found, key=lambda one: one.replica_id))
    return Response(Replicas(data=data, head=head), headers={"x-pointsman-position": str(present)})


@get("/status", operation_id="getStatus", opt=READ, responses=READS)
async def status(office: Given[Office]) -> Response[Status]:
    """How this gateway is. It answers with the event store away, too."""
    is_ready, detail = office.report()
    table = office.follower.snapshot
    body = Status(
        replica_id=office.replica_id,
        version=office.version,
        uptime_s=max(0, office.unix_us() - office.started_us) / 1_000_000,
        is_ready=is_ready,
        position=table.position,
        faults=len(table.faults),
        detail=detail,
    )
    return Response(body, headers={"x-pointsman-position": str(table.position)})


routes: Final[list[Any]] = [replicas, status]
