// The time slider: the pools as they were. Law: what is past is marked as past, everywhere, until somebody goes back.

import { show } from "./dialog.js";
import { arrange, byId, h, part, put, set } from "./dom.js";
import { age, clock } from "./format.js";

const STEPS = 360;
const PAUSE_MS = 200;
const SETTLED_MS = 1000; // a change is in force by then

export class Time {
  constructor(api, pools) {
    this.api = api;
    this.pools = pools;
    this.events = [];
    this.at = null;
    this.position = null;
    this.slider = byId("time-slider");
    this.slider.oninput = () => this.slid();
    byId("time-live").onclick = () => {
      this.goLive();
      this.slider.focus();
    };
    byId("time-back").onclick = () => this.jump(this.moments().findLast((at) => at < (this.at ?? Date.now()) - 1));
    byId("time-next").onclick = () => this.jump(this.moments().find((at) => at > (this.at ?? Infinity) + 1));
    byId("time-span").onchange = () => this.window(Date.now());
    byId("time-snapshot").onclick = () => this.snapshot();
    this.timer = setInterval(() => this.at === null && this.window(Date.now()), 5000);
    this.goLive();
  }

  close() {
    clearInterval(this.timer);
    this.goLive();
  }

  /** All events that are known, oldest first. */
  know(events) {
    this.events = events.map(({ recorded_at: at }) => new Date(at).getTime());
    this.mark();
  }

  moments() {
    return [...new Set(this.events.map((at) => at + SETTLED_MS))].filter((at) => at <= Date.now());
  }

  /** Let the slider end at a moment, or wherever what is shown is still on it. */
  window(until) {
    const span = Number(byId("time-span").value) * 1000;
    this.until = until;
    this.from = Math.min(until - span, this.at ?? until);
    this.slider.min = 0;
    this.slider.max = STEPS;
    this.place();
    this.mark();
  }

  place() {
    this.slider.value = this.at === null ? STEPS : ((this.at - this.from) / (this.until - this.from)) * STEPS;
    const told = this.at === null ? "now" : `${clock(new Date(this.at))}, ${age(Date.now() - this.at)} ago`;
    set(this.slider, "aria-valuetext", told);
    put(byId("time-from"), clock(new Date(this.from)));
  }

  mark() {
    const inside = [...new Set(this.events)].filter((at) => at >= this.from && at <= this.until);
    arrange(
      byId("time-marks"),
      inside.map((at) => {
        const tick = h("span", {});
        part(tick, "--part", (at - this.from) / (this.until - this.from));
        return tick;
      }),
    );
    byId("time-back").disabled = !this.moments().some((at) => at < (this.at ?? Date.now()) - 1);
    byId("time-next").disabled = this.at === null;
  }

  slid() {
    const place = Number(this.slider.value);
    if (place >= STEPS) this.goLive();
    else this.goTo(this.from + (place / STEPS) * (this.until - this.from));
  }

  jump(at) {
    if (at === undefined) this.goLive();
    else this.goTo(at);
  }

  goLive() {
    clearTimeout(this.pause);
    this.asked?.abort();
    const wasPast = this.at !== null;
    this.at = this.position = null;
    document.body.classList.remove("is-past");
    put(byId("time-title"), "Now");
    put(byId("time-note"), "");
    byId("time-live").hidden = byId("time-snapshot").hidden = true;
    this.window(Date.now());
    if (wasPast) this.pools.showPast(null);
  }

  goTo(at) {
    this.at = at;
    document.body.classList.add("is-past");
    put(byId("time-title"), `Past: ${clock(new Date(at))}`);
    put(byId("time-note"), `${age(Date.now() - at)} ago`);
    byId("time-live").hidden = false;
    if (at < this.from || at > this.until) this.window(this.until);
    this.place();
    this.mark();
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.load(at), PAUSE_MS);
  }

  async load(at) {
    this.asked?.abort();
    const { signal } = (this.asked = new AbortController());
    try {
      const told = await this.api.get("/state", { at: new Date(at).toISOString() }, signal);
      if (signal.aborted) return;
      this.position = told.position;
      byId("time-snapshot").hidden = told.position === null;
      put(byId("time-note"), note(told, at));
      this.pools.showPast(Object.fromEntries(told.pools.map((pool) => [pool.alias, pool])));
    } catch (problem) {
      if (signal.aborted) return;
      if (problem.lines === undefined) throw problem;
      put(byId("time-note"), problem.lines.join(" "));
      this.pools.showPast({});
    }
  }

  snapshot() {
    const { position } = this;
    show(`Configuration at position ${position}`, async () => {
      const told = await this.api.get("/snapshot", { at: position });
      return Object.entries(told).map(section).filter(Boolean);
    });
  }
}

function note({ position, unknown, differences }, at) {
  const parts = [`${age(Date.now() - at)} ago`, `position ${position}`];
  if (unknown?.length) parts.push(`the journal does not tell of ${unknown.slice(0, 5).join(", ")}${unknown.length > 5 ? ` and ${unknown.length - 5} more` : ""}`);
  if (differences?.length) parts.push(`recomputed otherwise than recorded: ${differences[0]}`);
  return parts.join(" · ");
}

function section([name, value]) {
  const isEmpty = value === null || (typeof value === "object" && Object.keys(value).length === 0);
  if (isEmpty) return null;
  if (typeof value !== "object") return h("p", {}, `${name}: `, h("code", {}, String(value)));
  return h("details", {}, h("summary", {}, `${name} (${Object.keys(value).length})`), h("pre", { tabindex: "0" }, JSON.stringify(value, null, 2)));
}
