// What differs between two tables, entity by entity.

import { chip, h, row, table } from "./dom.js";
import { counted, value, words } from "./format.js";

const COLUMNS = [
  { name: "field", label: "Field" },
  { name: "before", label: "Before" },
  { name: "after", label: "After" },
];
const KINDS = { added: "good", removed: "bad", changed: "warn" };

/** `data`: entries of the API's diff. */
export function drawn(data, total = data.length) {
  if (data.length === 0) return [h("p", { class: "muted" }, "Nothing that is routed by differs.")];
  const left = total > data.length ? [h("p", { class: "muted" }, `and ${counted(total - data.length, "more entity", "more entities")}`)] : [];
  return [...data.map(entity), ...left];
}

function entity({ kind, name, change, fields }) {
  const title = h("h4", {}, `${words(kind)} `, h("span", { class: "name" }, name), " ", chip(change, KINDS[change]));
  if (!fields?.length) return h("section", { class: "differing" }, title);
  const rows = fields.map((one) =>
    row(COLUMNS, {
      field: h("code", {}, one.field),
      before: change === "added" ? "–" : h("span", { class: "was" }, value(one.before)),
      after: h("span", { class: "is" }, value(one.after)),
    }),
  );
  return h("section", { class: "differing" }, title, table(`Fields of ${words(kind)} ${name}`, COLUMNS, rows, { class: "stacks" }));
}
