// One provider of a pool as a row, changed in place.

import { h, part, put, row, set } from "./dom.js";
import { host, number, percent, span } from "./format.js";
import { Spark } from "./spark.js";
import { circuit, isFull } from "./trouble.js";

export const COLUMNS = [
  { name: "provider", label: "Provider" },
  { name: "share", label: "Share" },
  { name: "active", label: "In flight" },
  { name: "circuit", label: "Circuit" },
  { name: "latency", label: "Latency" },
  { name: "rate", label: "Tokens", isNumber: true },
  { name: "weight", label: "Weight", isNumber: true },
  { name: "chosen", label: "Attempts", isNumber: true },
];

const meter = (kind) => h("span", { class: `meter ${kind}`, "aria-hidden": "true" });

export class ProviderRow {
  constructor(name) {
    this.name = h("span", { class: "name" }, name);
    this.place = h("span", { class: "muted small place" });
    this.shareBar = meter("share");
    this.share = h("span", { class: "figure" });
    this.activeBar = meter("load");
    this.active = h("span", { class: "figure" });
    this.dot = h("span", { class: "dot", "aria-hidden": "true" });
    this.circuit = h("span", {});
    this.openings = h("span", { class: "muted small" });
    this.spark = new Spark(name);
    this.latency = h("span", { class: "figure" });
    this.rate = h("span", {});
    this.weight = h("span", {});
    this.chosen = h("span", {});
    this.element = row(COLUMNS, {
      provider: [this.name, this.place],
      share: [this.shareBar, this.share],
      active: [this.activeBar, this.active],
      circuit: h("span", { class: "state" }, this.dot, h("span", {}, this.circuit, this.openings)),
      latency: [this.spark.element, this.latency],
      rate: this.rate,
      weight: this.weight,
      chosen: this.chosen,
    });
  }

  /** `share` 0 to 1, null: nothing was chosen; `latencies` null: of the past, which has none. */
  update(provider, share, latencies) {
    const { kind, text } = circuit(provider);
    const deployment = provider.deployment ? ` · ${provider.deployment}` : "";
    put(this.place, `${provider.draining ? "draining · " : ""}${host(provider.url)}${deployment}`);
    set(this.place, "title", provider.url);
    part(this.shareBar, "--part", share ?? 0);
    put(this.share, share === null ? "–" : percent(share));
    part(this.activeBar, "--part", provider.limit ? provider.active / provider.limit : 0);
    set(this.activeBar, "class", provider.limit === null ? "meter none" : `meter load${isFull(provider) ? " full" : ""}`);
    put(this.active, provider.limit === null ? number(provider.active) : `${provider.active} of ${provider.limit}`);
    set(this.dot, "class", `dot ${kind}`);
    put(this.circuit, text);
    put(this.openings, provider.openings ? `opened ${provider.openings}×` : "");
    put(this.latency, span(provider.latency_ms));
    set(this.spark.element, "class", latencies === null ? "spark absent" : "spark");
    if (latencies !== null) this.spark.draw(latencies);
    put(this.rate, provider.rate ? `${provider.rate.remaining} of ${provider.rate.burst}` : "–");
    put(this.weight, provider.weight);
    put(this.chosen, latencies === null ? "–" : number(provider.chosen ?? 0));
    set(this.element, "class", provider.draining ? "draining" : provider.weight === 0 ? "drained" : null);
  }
}
