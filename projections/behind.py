"""The entities that have a part in a decision, as streams of the event log."""

from engine.names import Alias, KeyId, Stream
from engine.snapshot import RoutingSnapshot


def streams_behind(table: RoutingSnapshot, alias: Alias | None, key_id: KeyId | None) -> tuple[Stream, ...]:
    """Those of a pool and, where it is a model's, of the models and endpoints it is made of; those of a key."""
    streams: list[Stream] = []
    if alias is not None:
        streams.append(f"pool:{alias}")
        catalogue = table.catalogue
        model = catalogue.models.get(alias)
        models = () if model is None else (model, *(one.deployment_id for one in catalogue.components.get(model, ())))
        for name in models:
            streams.append(f"model:{name}")
            deployment = catalogue.deployments.get(name)
            if deployment is not None:
                streams.append(f"endpoint:{deployment.endpoint_id}")
    if key_id is not None:
        streams.append(f"key:{key_id}")
        key = table.keys.get(key_id)
        if key is not None and key.user_id is not None:
            streams += [f"user:{key.user_id}", f"ledger:{key.user_id}"]
    return tuple(dict.fromkeys(streams))
