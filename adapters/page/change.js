// One change: who made it, what differs, what it did.

import { show } from "./dialog.js";
import * as diff from "./diff.js";
import { fact, h } from "./dom.js";
import { effectOf } from "./effect.js";
import { moment } from "./format.js";

/** Open the dialog about an event, `{position, type, stream, actor, recorded_at, sentence}`. */
export function showChange(api, event) {
  return show(`Position ${event.position}`, async () => {
    const differing = await api.get("/diff", { from: event.position - 1, to: event.position, limit: 200 });
    const effect = h("div", {}, h("p", { class: "muted" }, "Loading…"));
    fill(effect, api, event);
    return [
      h("p", { class: "lead" }, event.sentence ?? ""),
      h(
        "dl",
        { class: "facts" },
        fact("When", moment(new Date(event.recorded_at))),
        fact("Who", h("code", {}, event.actor)),
        fact("Event", h("code", {}, event.type)),
        fact("Of", h("code", {}, event.stream)),
      ),
      h("h3", {}, "What differs"),
      ...diff.drawn(differing.data, differing.total),
      h("h3", {}, "Effect"),
      effect,
    ];
  });
}

async function fill(place, api, event) {
  try {
    place.replaceChildren(...(await effectOf(api, event)).filter(Boolean));
  } catch (problem) {
    if (problem.lines === undefined) throw problem;
    place.replaceChildren(h("p", { class: "muted" }, `The requests cannot be told: ${problem.message}`));
  }
}
