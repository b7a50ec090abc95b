// The newest requests, and the explanation of one.

import { failure } from "./dialog.js";
import { byId, h, row, table } from "./dom.js";
import { ended, explanation } from "./explanation.js";
import { moment, span, words } from "./format.js";

const PAGE = 50;
const LOOKS = 5; // where a stretch of the journal has none that fit, the ones before it are looked at
const COLUMNS = [
  { name: "at", label: "Time" },
  { name: "pool", label: "Pool" },
  { name: "provider", label: "Provider" },
  { name: "result", label: "Result" },
  { name: "took", label: "Took", isNumber: true },
];
const FILTERS = [
  ["pool", "Pool"],
  ["provider", "Provider"],
  ["key", "Key"],
  ["status", "Status"],
  ["outcome", "Outcome"],
  ["reason", "Reason"],
  ["since", "Since (15m, 21:00)"],
  ["until", "Until"],
];

export class Requests {
  constructor(api) {
    this.api = api;
    this.next = null;
    this.body = null;
    byId("requests-find").onsubmit = (event) => {
      event.preventDefault();
      location.hash = `#/requests/${encodeURIComponent(byId("requests-id").value.trim())}`;
    };
    const form = byId("requests-filter");
    form.replaceChildren(...FILTERS.map(field), h("div", { class: "row" }, h("button", { class: "primary", type: "submit" }, "Apply"), h("button", { type: "button", onclick: () => this.clear() }, "Clear")));
    form.onsubmit = (event) => {
      event.preventDefault();
      this.load();
    };
    byId("requests-again").onclick = () => this.load();
    byId("requests-more").onclick = () => this.load(this.next);
  }

  /** Show the view: the list, and one request's explanation where an id is given. */
  open(id) {
    document.body.classList.toggle("explaining", id !== null);
    if (id !== null) this.explain(id);
    else byId("explanation").hidden = true;
    this.load();
  }

  clear() {
    byId("requests-filter").reset();
    this.load();
  }

  async load(before = null) {
    const query = Object.fromEntries(new FormData(byId("requests-filter")));
    try {
      let page = await this.ask(query, before ?? query.until);
      for (let looks = 1; page.data.length === 0 && page.next !== null && looks < LOOKS; looks += 1) page = await this.ask(query, page.next);
      this.show(page, before !== null);
    } catch (problem) {
      byId("requests-list").replaceChildren(failure(problem));
      byId("requests-more").hidden = true;
    }
  }

  /** One page: so many requests, or those of a stretch of the journal, which may be none. */
  ask(query, until) {
    return this.api.get("/requests", { ...query, limit: PAGE, until });
  }

  show(page, isMore) {
    const rows = page.data.map(entry);
    this.next = page.next;
    byId("requests-more").hidden = page.next === null;
    if (isMore && this.body?.isConnected) {
      this.body.append(...rows);
      rows[0]?.querySelector("a").focus();
      return;
    }
    if (rows.length === 0) {
      const back = page.since ? [" The journal reaches back to ", moment(new Date(page.since)), "."] : [];
      byId("requests-list").replaceChildren(h("p", { class: "muted" }, "No request is recorded that fits.", ...back));
      return;
    }
    const made = table("The latest requests", COLUMNS, rows, { class: "requests" });
    this.body = made.tBodies[0];
    byId("requests-list").replaceChildren(made);
    this.mark();
  }

  async explain(id) {
    this.id = id;
    byId("requests-id").value = id;
    this.mark();
    const place = byId("explanation");
    place.hidden = false;
    const back = h("p", { class: "back" }, h("a", { href: "#/requests" }, "All requests"));
    let content;
    try {
      content = explanation(this.api, await this.api.get(`/decisions/${encodeURIComponent(id)}`));
    } catch (problem) {
      content = [h("h3", { id: "explanation-title", tabindex: "-1" }, "Request ", h("code", {}, id)), failure(problem)];
    }
    if (this.id !== id) return;
    place.replaceChildren(back, ...content.filter(Boolean));
    byId("explanation-title").focus();
  }

  /** The explained one, in the list. */
  mark() {
    for (const link of byId("requests-list").querySelectorAll("a")) {
      if (link.dataset.id === this.id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }
}

const field = ([name, label]) => h("label", { class: "field" }, label, h("input", { name, type: "text", autocomplete: "off", spellcheck: "false" }));

function entry(one) {
  const id = one.request_id ?? one.decision;
  const link = id === null ? moment(new Date(one.at)) : h("a", { href: `#/requests/${encodeURIComponent(id)}`, "data-id": id }, moment(new Date(one.at)));
  const tries = one.attempts > 1 ? h("span", { class: "muted small place" }, `${one.attempts} attempts`) : "";
  const why = one.reason ? h("span", { class: "muted small place" }, [words(one.reason), one.scope].filter(Boolean).join(", ")) : "";
  return row(COLUMNS, {
    at: link,
    pool: [h("span", { class: "name" }, one.pool ?? one.alias ?? "–"), one.key ? h("span", { class: "muted small place" }, one.key) : ""],
    provider: [h("span", { class: "name" }, one.provider ?? "–"), tries],
    result: [ended(one), why],
    took: span(one.total_ms),
  });
}
