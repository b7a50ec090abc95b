// One pool: a line that is always there, and its providers once it is open. Changed in place.

import { arrange, chip, h, part, put, set, table } from "./dom.js";
import { counted } from "./format.js";
import { COLUMNS, ProviderRow } from "./provider_row.js";
import { refusals, troubles } from "./trouble.js";

export class PoolCard {
  /** `history` knows shares and latencies. */
  constructor(alias, history, { isOpen }) {
    this.history = history;
    this.rows = new Map();
    this.strip = h("span", { class: "strip", "aria-hidden": "true" });
    this.load = h("span", { class: "load-text" });
    this.trouble = h("span", { class: "chips" });
    this.terms = h("p", { class: "muted small terms" });
    this.refused = h("p", { class: "small refused" });
    this.table = table(`Providers of ${alias}`, COLUMNS, []);
    this.element = h(
      "details",
      { class: "pool card", open: isOpen },
      h("summary", {}, h("h3", {}, alias), this.trouble, this.load, this.strip),
      h("div", { class: "pool-body" }, this.terms, this.table, this.refused),
    );
    this.element.addEventListener("toggle", () => this.pool && this.update(this.pool, this.isPast));
  }

  update(pool, isPast) {
    this.pool = pool;
    this.isPast = isPast;
    // Counters are not part of what is computed again of the past.
    const told = isPast ? { shares: [], total: 0 } : this.history.shares(pool);
    put(this.load, load(pool));
    this.updateStrip(told.shares);
    this.updateTroubles(pool);
    if (this.element.open) this.updateBody(pool, isPast, told);
  }

  updateBody(pool, isPast, { shares, isRecent, total }) {
    put(this.terms, terms(pool, isPast, isRecent));
    const rows = pool.providers.map((provider, place) => {
      const row = this.rowOf(provider);
      row.update(provider, total ? shares[place] : null, isPast ? null : this.history.latencies(pool.alias, provider));
      return row.element;
    });
    arrange(this.table.tBodies[0], rows);
    if (this.rows.size > 2 * rows.length + 8) this.rows.clear();
    const refused = isPast ? "" : refusals(pool.refused);
    put(this.refused, refused && `Refused since the gateway started: ${refused}`);
  }

  updateTroubles(pool) {
    const found = troubles(pool);
    const told = found.map(({ text }) => text).join("\n");
    if (told === this.toldTroubles) return;
    this.toldTroubles = told;
    const more = found.length > 2 ? [chip(`and ${found.length - 2} more`)] : [];
    arrange(this.trouble, [...found.slice(0, 2).map(({ text, kind }) => chip(text, kind)), ...more]);
    set(this.element, "class", found.length ? `pool card ${found[0].kind}` : "pool card");
  }

  updateStrip(shares) {
    while (this.strip.childElementCount > shares.length) this.strip.lastChild.remove();
    while (this.strip.childElementCount < shares.length) this.strip.append(h("span", {}));
    shares.forEach((share, place) => part(this.strip.children[place], "--part", share));
  }

  rowOf(provider) {
    const name = `${provider.draining}\n${provider.name}`;
    if (!this.rows.has(name)) this.rows.set(name, new ProviderRow(provider.name));
    return this.rows.get(name);
  }
}

function load(pool) {
  const active = pool.limit === null ? `${pool.active} in flight` : `${pool.active} of ${pool.limit} in flight`;
  const waiting = pool.waiting ? `, ${pool.waiting} waiting to retry` : "";
  return active + waiting;
}

function terms(pool, isPast, isRecent) {
  return [
    pool.strategy.replaceAll("_", " "),
    pool.fallback ? "with fallback" : "without fallback",
    pool.rate ? `${pool.rate.remaining} of ${pool.rate.burst} tokens left` : "",
    pool.rules ? counted(pool.rules, "rule") : "",
    pool.keys === null ? "any key" : counted(pool.keys, "key"),
    pool.retries && !isPast ? counted(pool.retries, "retry", "retries") : "",
    pool.budgets_exhausted && !isPast ? `${pool.budgets_exhausted} out of time` : "",
    `since position ${pool.position}`,
    isPast ? "" : isRecent ? "shares of the last 5 minutes" : "shares since the start",
  ]
    .filter(Boolean)
    .join(" · ");
}
