// The event timeline, newest first. Law: each event once, in the log's order; what the stream left out is fetched.

import { arrange, byId, h, put } from "./dom.js";
import { isSameDay, moment, number } from "./format.js";
import { showChange } from "./change.js";

const PAGE = 50;
const KEPT = 1000;

export class Changes {
  /** `onChange(events)` is told of all that are known, oldest first. */
  constructor(api, onChange) {
    this.api = api;
    this.onChange = onChange;
    this.events = [];
    this.head = null;
    this.entries = new Map();
    this.queue = Promise.resolve();
    this.list = byId("changes-list");
    byId("changes-more").onclick = () => this.earlier();
  }

  /** The log is known to reach `position`, and these are its last events, but for `leftOut`. One after another. */
  told(position, events = [], leftOut = 0) {
    this.queue = this.queue.then(() => this.take(position, events, leftOut)).catch((problem) => this.failed(problem));
  }

  async take(position, events, leftOut) {
    const from = this.head ?? Math.max(0, position - PAGE);
    const isWhole = this.head !== null && leftOut === 0 && (events[0]?.position ?? position + 1) === from + 1;
    if (position > from && !isWhole) this.add(await this.read(Math.max(from, position - KEPT), position));
    this.add(events);
    this.head = Math.max(position, this.head ?? 0);
    this.draw();
  }

  async earlier() {
    const first = this.events[0]?.position ?? 1;
    try {
      this.add(await this.read(Math.max(0, first - 1 - PAGE), first - 1));
      this.draw();
      this.entries.get(this.events.findLast((event) => event.position < first)?.position)?.querySelector("button").focus();
    } catch (problem) {
      this.failed(problem);
    }
  }

  /** The events beyond one position up to another. */
  async read(after, until) {
    const found = [];
    let next = after;
    while (next !== null && next < until) {
      const page = await this.api.get("/events", { after: next, limit: Math.min(PAGE * 2, until - next), sentences: true });
      found.push(...page.data);
      next = page.data.length ? page.next : null;
    }
    return found;
  }

  add(events) {
    const known = new Set(this.events.map(({ position }) => position));
    const news = events.filter(({ position }) => !known.has(position));
    if (news.length === 0) return;
    this.events = [...this.events, ...news].sort((one, other) => one.position - other.position).slice(-KEPT);
    this.onChange(this.events);
  }

  draw() {
    const newest = this.events.slice().reverse();
    arrange(this.list, newest.map((event, place) => this.entryOf(event, newest[place - 1])));
    for (const position of this.entries.keys()) if (position < this.events[0]?.position) this.entries.delete(position);
    put(byId("changes-count"), this.head === null ? "" : `position ${number(this.head)}`);
    byId("changes-more").hidden = (this.events[0]?.position ?? 1) <= 1 || this.events.length >= KEPT;
  }

  entryOf(event) {
    if (!this.entries.has(event.position)) this.entries.set(event.position, entry(event, () => showChange(this.api, event)));
    return this.entries.get(event.position);
  }

  /** Nothing is lost: the next event makes for another attempt. */
  failed(problem) {
    if (problem.lines === undefined) throw problem;
    put(byId("changes-count"), problem.message);
  }
}

function entry(event, onclick) {
  const at = new Date(event.recorded_at);
  const time = moment(at);
  const label = h("span", { class: "sentence" }, event.sentence ?? `${event.type} of ${event.stream}`);
  const button = h("button", { class: "event", type: "button", onclick }, h("span", { class: "position" }, `${event.position}`), label);
  const isToday = isSameDay(at, new Date());
  return h(
    "li",
    { "data-position": event.position },
    button,
    h("p", { class: "muted small by" }, h("span", { class: "actor" }, event.actor), h("span", { class: isToday ? "" : "old" }, time)),
  );
}
