// Shares under two tables, as pairs of bars with their numbers.

import { h, part, row, table } from "./dom.js";
import { counted, percent } from "./format.js";

const columnsOf = ([before, after]) => [
  { name: "whose", label: "Provider" },
  { name: "before", label: before },
  { name: "after", label: after },
  { name: "shift", label: "Shift", isNumber: true },
];

/** `entries`: `{pool, provider, before, after}`, shares of 0 to 1, null where nothing was asked. */
export function drawn(caption, entries, labels = ["Before", "After"]) {
  const columns = columnsOf(labels);
  const rows = entries.map(({ pool, provider, before, after }) =>
    row(columns, {
      whose: [h("span", { class: "name" }, provider), h("span", { class: "muted small place" }, pool)],
      before: bar(before, "was"),
      after: bar(after, "is"),
      shift: shift(before, after),
    }),
  );
  return table(caption, columns, rows, { class: "shares stacks" });
}

function bar(share, kind) {
  if (share === null) return h("span", { class: "muted" }, "no requests");
  const meter = h("span", { class: `meter ${kind}`, "aria-hidden": "true" });
  part(meter, "--part", share);
  return [meter, h("span", { class: "figure" }, percent(share))];
}

function shift(before, after) {
  if (before === null || after === null) return "–";
  const points = Math.round((after - before) * 100);
  return points === 0 ? "0" : `${points > 0 ? "+" : "−"}${counted(Math.abs(points), "point")}`;
}
