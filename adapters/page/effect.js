// What a change did: the requests before and after it, as they were recorded.

import { h } from "./dom.js";
import { age, counted, percent } from "./format.js";
import { drawn } from "./shares.js";

const MOST = 500;
const SPAN_MS = 15 * 60_000;
const NEAR = 200;

/** What is shown of it. Throws Problem. */
export async function effectOf(api, event) {
  const pool = event.stream.startsWith("pool:") ? event.stream.slice("pool:".length) : null;
  const at = time(event);
  const [since, until] = await bounds(api, event);
  const ask = (from, to) => recorded(api, { since: iso(from), until: iso(to), pool });
  const [before, after] = await Promise.all([ask(since, at), ask(at, until)]);
  const [was, is] = [counts(before), counts(after)];
  const told = h("p", { class: "muted" }, `${amount(before, at - since)} before it, ${amount(after, until - at)} after. Refused: ${rate(was.refused, before.length)} before, ${rate(is.refused, after.length)} after.`);
  const names = [...new Set([...was.served.keys(), ...is.served.keys()])].sort();
  const share = ({ served, total }, name) => (total(name) ? (served.get(name) ?? 0) / total(name) : null);
  const entries = names.map((name) => {
    const [of, provider] = name.split("\n");
    return { pool: of, provider, before: share(was, name), after: share(is, name) };
  });
  return [told, names.length ? drawn("Shares of the requests", entries) : null];
}

/**
 * A quarter of an hour before and after, in ms, or to where something else changed the same thing; what was decided
 * together is one change.
 */
async function bounds(api, event) {
  const at = time(event);
  const near = await api.get("/events", { stream: event.stream, after: Math.max(0, event.position - NEAR), limit: 2 * NEAR });
  const own = near.data.find(({ position }) => position === event.position)?.correlation;
  const others = near.data.filter(({ correlation }) => correlation !== own);
  const previous = others.findLast(({ position }) => position < event.position);
  const next = others.find(({ position }) => position > event.position);
  const since = Math.max(at - SPAN_MS, previous ? time(previous) : 0);
  return [since, Math.min(at + SPAN_MS, next ? time(next) : Infinity, Date.now())];
}

const amount = (requests, ms) => `${requests.length >= MOST ? `The newest ${MOST} requests` : counted(requests.length, "request")} of the ${age(ms)}`;

/** The newest of them; the API looks at a stretch of the journal at a time. */
async function recorded(api, query) {
  const found = [];
  let until = query.until;
  while (until !== null && found.length < MOST) {
    const page = await api.get("/requests", { ...query, until, limit: MOST - found.length });
    found.push(...page.data);
    until = page.next;
  }
  return found;
}

const time = ({ recorded_at: at }) => new Date(at).getTime();

const iso = (ms) => new Date(ms).toISOString();

const rate = (count, of) => (count ? `${count} (${percent(count / of)})` : "none");

function counts(requests) {
  const served = new Map();
  const pools = new Map();
  let refused = 0;
  for (const one of requests) {
    if (one.outcome === "refused") refused += 1;
    if (one.outcome === "refused" || one.provider === null) continue;
    const name = `${one.pool}\n${one.provider}`;
    served.set(name, (served.get(name) ?? 0) + 1);
    pools.set(one.pool, (pools.get(one.pool) ?? 0) + 1);
  }
  return { served, refused, total: (name) => pools.get(name.split("\n")[0]) ?? 0 };
}
