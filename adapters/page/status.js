// How the connection is, and what the gateway says of itself.

import { arrange, byId, fact, h, put, set } from "./dom.js";
import { age, clock, counted, moment, number, ofMicroseconds, span, words } from "./format.js";

const STATES = {
  connecting: ["wait", "Connecting"],
  live: ["live", "Live"],
  resumed: ["live", "Live, resumed"],
  resynced: ["live", "Live, resynced"],
  reconnecting: ["wait", "Reconnecting"],
  off: ["off", "Not connected"],
};
const SYNCS = { connected: "good", connecting: "warn", reconnecting: "warn", disconnected: "bad" };

/** Told politely to a screen reader, so only when it is another. */
export function showLink(link, delayMs = null) {
  const [state, text] = STATES[link];
  set(byId("connection"), "data-state", state);
  put(byId("connection-state"), text);
  const since = link === "resumed" || link === "resynced" ? `at ${clock(new Date())}` : "";
  put(byId("connection-note"), delayMs === null ? since : `again in ${age(Math.max(1000, delayMs))}`);
  document.body.classList.toggle("stale", state !== "live");
}

/** The facts of the gateway. */
export function showGateway({ gateway, position, keys }) {
  const limited = Object.keys(keys).length;
  const facts = [["Position", number(position)]];
  if (gateway !== null) {
    facts.push(
      ["Gateway", state(gateway.status, gateway.status === "ready" ? "good" : "warn"), `since ${clock(ofMicroseconds(gateway.started_us))}`],
      ["Sync", state(gateway.sync.state, SYNCS[gateway.sync.state] ?? "warn"), syncNote(gateway)],
      ["Log", state(gateway.log, gateway.log === "readable" ? "good" : "bad")],
      ["File", ...file(gateway.file)],
      ["Faults", gateway.faults ? state(counted(gateway.faults, "faulty model"), "bad") : "none"],
    );
  }
  if (limited) facts.push(["Limited keys in use", number(limited)]);
  const place = byId("gateway");
  const told = JSON.stringify([gateway, position, limited]);
  if (told === place.dataset.told) return;
  place.dataset.told = told;
  arrange(place, facts.map(([name, value, note]) => fact(name, value, note ? h("span", { class: "muted small" }, ` ${note}`) : "")));
  arrange(byId("notices"), notices(gateway));
}

const marked = (text, kind) => h("span", { class: "state" }, h("span", { class: `dot ${kind}`, "aria-hidden": "true" }), text);

const state = (name, kind) => marked(words(name), kind);

function syncNote({ sync, reload }) {
  if (reload === null) return sync.reconnects ? `${sync.reconnects} reconnects` : "";
  return `last change in force after ${span(reload.lag_us / 1000)}`;
}

function file(of) {
  if (of === null) return ["none"];
  const name = of.path.split("/").at(-1);
  if (of.problems.length) return [marked(`${name} refused`, "bad")];
  const kind = of.warnings.length ? "warn" : "good";
  return [marked(of.warnings.length ? `${name}, with warnings` : name, kind), of.in_force_us === null ? "" : `since ${clock(ofMicroseconds(of.in_force_us))}`];
}

function notices(gateway) {
  const found = [];
  const refused = gateway?.file?.problems ?? [];
  if (refused.length) {
    const when = gateway.file.refused_us ? [" at ", moment(ofMicroseconds(gateway.file.refused_us))] : [];
    found.push(notice([`${gateway.file.path} was refused`, ...when, "; the content before it stays in force."], refused));
  }
  const warnings = gateway?.file?.warnings ?? [];
  if (warnings.length && !refused.length) found.push(notice([`${gateway.file.path} is in force, with warnings:`], warnings, ""));
  if (gateway?.sync.error) found.push(notice(["The event store: ", gateway.sync.error]));
  if (gateway && gateway.log !== "readable") found.push(notice(["The event log: ", gateway.log]));
  return found;
}

const notice = (text, lines = [], kind = "bad") =>
  h("div", { class: `notice ${kind}`.trim() }, h("p", {}, ...text), lines.length ? h("ul", {}, lines.map((line) => h("li", {}, line))) : null);
