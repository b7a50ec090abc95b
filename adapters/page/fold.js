// What the live stream has told so far. Law: a pure fold, the same the gateway's own tests make; a delta that does not
// follow is a gap, and a gap is never papered over.

export class Gap extends Error {}

/** The state one message later; the same one for a message that changes nothing. Throws Gap. */
export function fold(state, message) {
  switch (message.type) {
    case "snapshot":
      return picked(message, message.gateway ?? null, message.pools, message.keys ?? {});
    case "heartbeat":
      return state === null ? null : { ...state, seq: message.seq, position: message.position ?? state.position };
    case "delta":
      return later(state, message);
    case "resync_required":
      return null;
    default:
      return state;
  }
}

/** The aliases a message has news of; null: any. */
export const touched = (message) => (message.type === "delta" ? Object.keys(message.pools) : null);

function later(state, delta) {
  if (state === null || delta.since !== state.seq) {
    throw new Gap(`a delta since ${delta.since} came after ${state === null ? "nothing" : state.seq}`);
  }
  return picked(
    delta,
    delta.gateway ?? state.gateway,
    merged(state.pools, delta.pools),
    merged(state.keys, delta.keys ?? {}),
  );
}

function picked(message, gateway, pools, keys) {
  return { seq: message.seq, position: message.position, eventsPosition: message.events_position ?? null, gateway, pools, keys };
}

function merged(held, news) {
  const found = { ...held, ...news };
  for (const [name, value] of Object.entries(news)) if (value === null) delete found[name];
  return found;
}
