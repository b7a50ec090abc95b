// A request's attempts over time.

import { h, part, row, table } from "./dom.js";
import { span } from "./format.js";

const COLUMNS = [
  { name: "attempt", label: "Attempt" },
  { name: "provider", label: "Provider" },
  { name: "when", label: "Sent, then waited" },
  { name: "status", label: "Status" },
  { name: "what", label: "Outcome" },
];

/** The table of a decision's attempts. */
export function attempts({ attempts: all, total_ms: total }) {
  const whole = Math.max(total ?? 0, ...all.map(({ sent_ms: sent, head_ms: head }) => sent + head), 0.001);
  const rows = all.map((one) =>
    row(COLUMNS, {
      attempt: one.attempt,
      provider: h("span", { class: "name" }, one.provider),
      when: [bar(one, whole), h("span", { class: "figure" }, times(one))],
      status: one.status ?? "–",
      what: one.what ?? "",
    }),
  );
  return table("Attempts", COLUMNS, rows, { class: "attempts stacks" });
}

/** From sending to the answer's head, or whatever came instead of it. */
function bar({ sent_ms: sent, head_ms: head, what }, whole) {
  const drawn = h("span", { class: what === "answered" ? "reach" : "reach failed", "aria-hidden": "true" });
  part(drawn, "--from", sent / whole);
  part(drawn, "--until", (sent + head) / whole);
  return drawn;
}

const times = ({ sent_ms: sent, head_ms: head }) => `+${span(sent)}, ${span(head)}`;
