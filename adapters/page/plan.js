// The plan preview: what a configuration file would change, and what recorded traffic would do under it.
// Law: nothing here changes anything; the command that would is shown.

import { failure } from "./dialog.js";
import * as diff from "./diff.js";
import { byId, fact, h, put } from "./dom.js";
import { counted, number, words } from "./format.js";
import * as shares from "./shares.js";

export class Plan {
  constructor(api) {
    this.api = api;
    byId("plan-file").onchange = () => this.choose(byId("plan-file").files[0]);
    byId("plan-form").onsubmit = (event) => {
      event.preventDefault();
      this.preview();
    };
  }

  async choose(file) {
    if (file === undefined) return;
    byId("plan-name").value = file.name;
    byId("plan-content").value = await file.text();
  }

  async preview() {
    const [name, content, since] = ["plan-name", "plan-content", "plan-since"].map((id) => byId(id).value);
    put(byId("plan-state"), "Computing the recorded decisions again…");
    byId("plan-result").replaceChildren();
    try {
      const told = await this.api.post("/plan", { since }, { name, content });
      byId("plan-result").replaceChildren(...drawn(told, name).filter(Boolean));
      put(byId("plan-state"), told.events.length ? `It would make ${counted(told.events.length, "change")}.` : "It would change nothing.");
    } catch (problem) {
      byId("plan-result").replaceChildren(failure(problem));
      put(byId("plan-state"), "Not computed.");
    }
  }
}

function drawn({ sentences: told, events, diff: differing, traffic, warnings }, name) {
  const left = events.length - told.length;
  const sentences = events.length
    ? [h("ol", { class: "sentences" }, told.map((one) => h("li", {}, one))), left ? h("p", { class: "muted" }, `and ${counted(left, "more change")}`) : ""]
    : h("p", { class: "muted" }, "Nothing: the table is what the file says.");
  return [
    warnings?.length ? h("div", { class: "notice" }, h("ul", {}, warnings.map((one) => h("li", {}, one)))) : null,
    traffic ? card("Traffic", ...effect(traffic)) : null,
    card("Changes", sentences),
    differing.length ? card("What differs", ...diff.drawn(differing)) : null,
    h("section", { class: "card" }, h("h3", {}, "To apply it"), h("pre", { tabindex: "0" }, `pointsman plan ${quoted(name)}\npointsman apply ${quoted(name)}`)),
  ];
}

const card = (title, ...content) => h("section", { class: "card" }, h("h3", {}, title), ...content);

function effect(traffic) {
  const { shifts, newly_refused: refused, assumptions } = traffic;
  const refusals = refused.reduce((sum, { count }) => sum + count, 0);
  return [
    selfCheck(traffic.self_check),
    missing(traffic.unanswerable),
    h(
      "dl",
      { class: "facts large" },
      fact("Requests", h("strong", {}, number(traffic.requests)), traffic.is_cut ? h("span", { class: "muted small" }, " the newest of the window") : ""),
      fact("Would go otherwise", h("strong", {}, number(traffic.differing))),
      fact("Refused, where the present table would serve", h("strong", { class: refusals ? "bad" : "" }, number(refusals))),
      fact("Served, where the present table would refuse", h("strong", {}, number(traffic.newly_served))),
      fact("Attempts saved", h("strong", {}, number(traffic.attempts_saved))),
    ),
    refused.length
      ? h("ul", {}, refused.map(({ scope, reason, count }) => h("li", {}, `${counted(count, "request")}: ${words(reason)} (${scope})`)))
      : null,
    shifts.length ? shares.drawn("Shares of the attempts under the present table and under the file's", shifts, ["Present", "File"]) : h("p", { class: "muted" }, "No request would go elsewhere."),
    assumptions.length ? h("h4", {}, "What this assumes") : null,
    assumptions.length ? h("ul", { class: "muted small" }, assumptions.map((one) => h("li", {}, one))) : null,
  ].filter(Boolean);
}

/** What of the window is not in the journal, so that nothing here tells of it. */
function missing({ dropped_requests: requests, dropped_entries: steps, unreadable_blocks: unreadable, gaps }) {
  const parts = [
    [requests, "request", " lost"],
    [steps, "recorded step", " lost"],
    [unreadable, "unreadable block", ""],
    [gaps, "gap", " between blocks"],
  ].filter(([count]) => count);
  const told = parts.map(([count, what, end]) => counted(count, what) + end).join(", ");
  return told && h("p", { class: "notice" }, h("strong", {}, "The record of this window is not whole:"), ` ${told}.`);
}

/** The table in force, planned against itself, must change nothing, or what follows is worth nothing. */
function selfCheck({ is_good: isGood, recomputed, simulated, differing, difference, left_out: leftOut }) {
  if (isGood) {
    const same = simulated ? `, and ${counted(simulated, "request")} under the table in force went as they had gone` : "";
    const others = simulated && leftOut ? ` ${counted(leftOut, "request")} met another table, or came together with such, or before the window: left out of this check.` : "";
    return h("p", { class: "notice good" }, h("strong", {}, "Self-check passed."), ` ${counted(recomputed, "recorded step")} came out again as recorded${same}.${others}`);
  }
  const why = difference ?? `${number(differing)} of ${counted(simulated, "request")} under the table in force did not do as they had done`;
  return h("p", { class: "notice bad" }, h("strong", {}, "Self-check failed: do not rely on what follows."), ` ${why}`);
}

const quoted = (name) => (/^[\w.@%+=:,/-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`);
