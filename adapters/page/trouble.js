// What of a pool wants somebody's attention, in words. Law: a pure reading of what the gateway tells.

import { words } from "./format.js";

/** Everything, the worst first; empty: all is well. */
export function troubles(pool) {
  return [...pool.providers.flatMap(ofProvider), ...ofPool(pool)].sort((one, other) => rank(one) - rank(other));
}

const rank = (trouble) => (trouble.kind === "bad" ? 0 : 1);
const bad = (text) => ({ kind: "bad", text });
const warn = (text) => ({ kind: "warn", text });

function ofProvider(provider) {
  const { name } = provider;
  const found = [];
  if (provider.circuit.phase === "open") found.push(bad(`${name}: circuit open`));
  if (provider.circuit.phase === "half_open") found.push(warn(`${name}: circuit half-open`));
  if (provider.credential.phase !== "closed") found.push(bad(`${name}: credential refused`));
  if (isFull(provider)) found.push(warn(`${name}: full`));
  if (provider.rate?.remaining === 0) found.push(warn(`${name}: no tokens`));
  return found;
}

function ofPool(pool) {
  const found = [];
  if (isFull(pool)) found.push(bad("full"));
  if (pool.rate?.remaining === 0) found.push(bad("no tokens"));
  if (pool.providers.length === 0) found.push(bad("no providers"));
  return found;
}

export const isFull = ({ active, limit }) => limit !== null && active >= limit;

/** `{text, kind}` of a provider's circuit, its credential's first. */
export function circuit({ circuit: own, credential }) {
  if (credential.phase !== "closed") return { kind: "bad", text: `Credential refused${countdown(credential)}` };
  if (own.phase === "open") return { kind: "bad", text: `Open${countdown(own)}` };
  if (own.phase === "half_open") return { kind: "warn", text: "Half-open" };
  const failures = own.failures ? `, ${own.failures} failed in a row` : "";
  return { kind: "good", text: `Closed${failures}` };
}

const countdown = ({ reopens_in_s: left }) => (left === null || left === undefined ? "" : `, ${left} s`);

/** "12 pool rate, 3 providers full". */
export function refusals(refused) {
  const given = Object.entries(refused ?? {}).filter(([, count]) => count > 0);
  return given.sort(([, one], [, other]) => other - one).map(([reason, count]) => `${count} ${words(reason)}`).join(", ");
}
