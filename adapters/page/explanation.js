// One request, drawn: what became of it, each choice as a table of its candidates, each attempt, the changes behind it.

import { attempts } from "./attempts.js";
import { showChange } from "./change.js";
import { chip, fact, h, row, table } from "./dom.js";
import { moment, number, span, words } from "./format.js";

const CANDIDATES = [
  { name: "provider", label: "Provider" },
  { name: "weight", label: "Weight", isNumber: true },
  { name: "active", label: "In flight", isNumber: true },
  { name: "result", label: "Result" },
];

/** The kind of a chip for a status and an outcome. */
export function kindOf({ status, outcome }) {
  if (status === null || status === undefined) return null;
  if (status >= 500) return "bad";
  if (status >= 400) return "warn";
  return outcome === "complete" || outcome === null ? "good" : "warn";
}

/** What became of a request, in a chip. */
export const ended = (told) =>
  chip([told.status ?? (told.outcome ? "no answer" : "not ended"), told.outcome ? words(told.outcome) : ""].filter((part) => part !== "").join(" "), kindOf(told));

export function explanation(api, told) {
  return [
    h("header", {}, h("h3", { id: "explanation-title", tabindex: "-1" }, told.request_id ? "Request " : "Decision ", h("code", {}, told.request_id ?? told.decision)), ended(told)),
    verdict(told),
    told.why ? h("p", { class: "lead" }, told.why) : null,
    facts(told),
    h("h4", {}, "Steps"),
    h("ol", { class: "steps" }, told.steps.map(step)),
    ...(told.attempts.length ? [h("h4", {}, "Attempts"), attempts(told)] : []),
    ...(told.events.length ? [h("h4", {}, "Made so by"), events(api, told.events)] : []),
  ];
}

function verdict({ recomputed, difference, cannot }) {
  if (recomputed === true) return h("p", { class: "notice good" }, h("strong", {}, "Recomputed = recorded."), " Computed again from its inputs, everything came out the same.");
  if (recomputed === false) return h("p", { class: "notice bad", role: "alert" }, h("strong", {}, "Recomputed ≠ recorded."), ` The first difference: ${difference}`);
  return h("p", { class: "notice" }, h("strong", {}, "Not computed again."), ` ${cannot ?? ""}`);
}

function facts(told) {
  const usage = told.usage ? `${number(told.usage.input)} in, ${number(told.usage.output)} out` : null;
  const known = [
    ["At", moment(new Date(told.at))],
    ["Asked for", told.alias],
    ["Pool", told.pool === told.alias ? null : told.pool],
    ["Key", told.key],
    ["Position", told.position],
    ["Reason", told.reason && words(told.reason)],
    ["Limit of", told.scope],
    ["Took", told.total_ms === null ? null : span(told.total_ms)],
    ["Tokens", usage],
    ["Decision", told.request_id === null ? null : told.decision],
    ["Process", told.process],
  ];
  const shown = known.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, shown.map(([name, value]) => fact(name, typeof value === "object" ? value : String(value))));
}

function step({ ms, what, defined_at: definedAt, strategy, draws, candidates }) {
  const terms = [
    strategy && words(strategy),
    definedAt !== null && definedAt !== undefined && `table of position ${definedAt}`,
    draws?.length && `drawn: ${draws.join(", ")}`,
  ].filter(Boolean);
  return h(
    "li",
    {},
    h("p", { class: "step" }, h("span", { class: "figure muted" }, `+${span(ms)}`), " ", h("span", {}, what)),
    terms.length ? h("p", { class: "muted small terms" }, terms.join(" · ")) : null,
    candidates?.length ? table(`Candidates, ${what}`, CANDIDATES, candidates.map(candidate), { class: "candidates stacks" }) : null,
  );
}

function candidate({ provider, weight, active, is_chosen: isChosen, result }) {
  const cells = {
    provider: h("span", { class: "name" }, provider),
    weight,
    active,
    result: isChosen ? h("span", { class: "won" }, result) : result,
  };
  return row(CANDIDATES, cells, { class: isChosen ? "chosen" : null });
}

function events(api, told) {
  const entry = (event) =>
    h(
      "li",
      {},
      h("button", { class: "event", type: "button", onclick: () => showChange(api, event) }, h("span", { class: "position" }, `${event.position}`), h("span", { class: "sentence" }, event.sentence)),
      h("p", { class: "muted small by" }, h("span", { class: "actor" }, event.actor), moment(new Date(event.recorded_at))),
    );
  return h("ol", { class: "timeline" }, told.map(entry));
}
