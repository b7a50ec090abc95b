// What each provider was doing over the last minutes, kept in this page alone: latency, and how often it was chosen.
// Law: one sample a second, and a bounded number of them; a counter that falls is another process', and begins anew.

const KEPT = 300; // five minutes
const SHOWN = 120;

class Series {
  latency = [];
  chosen = [];

  add(latency, chosen) {
    const last = this.chosen.at(-1);
    if (last !== undefined && chosen < last) {
      this.latency = [];
      this.chosen = [];
    }
    this.latency.push(latency);
    this.chosen.push(chosen);
    if (this.latency.length > SHOWN) this.latency.shift();
    if (this.chosen.length > KEPT) this.chosen.shift();
  }

  /** How often it was chosen since the oldest sample. */
  get recent() {
    return this.chosen.length ? this.chosen.at(-1) - this.chosen[0] : 0;
  }
}

const nameOf = (alias, provider) => `${alias}\n${provider.name}\n${provider.draining}`;

export class History {
  held = new Map();

  /** Take one sample of every provider. */
  sample(pools) {
    const now = new Map();
    for (const pool of Object.values(pools)) {
      for (const provider of pool.providers) {
        const name = nameOf(pool.alias, provider);
        const series = this.held.get(name) ?? new Series();
        series.add(provider.latency_ms, provider.chosen ?? 0);
        now.set(name, series);
      }
    }
    this.held = now;
  }

  /** Latencies in ms, oldest first, null where there was none yet. */
  latencies(alias, provider) {
    return this.held.get(nameOf(alias, provider))?.latency ?? [];
  }

  /**
   * Each provider's share of a pool's choices: over the minutes this page has watched where there were any, else since
   * the gateway began to count. `{shares, isRecent, total}`, in the pool's order.
   */
  shares(pool) {
    const since = pool.providers.map((provider) => this.held.get(nameOf(pool.alias, provider))?.recent ?? 0);
    const isRecent = since.some((count) => count > 0);
    const counts = isRecent ? since : pool.providers.map((provider) => provider.chosen ?? 0);
    const total = counts.reduce((sum, count) => sum + count, 0);
    return { isRecent, shares: counts.map((count) => (total ? count / total : 0)), total };
  }
}
