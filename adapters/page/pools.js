// All pools. Law: hundreds stay usable: only cards on the screen are kept up to date, at most once a frame, and only of
// pools that changed; a card that comes into sight is brought up to date then.

import { arrange, byId, put } from "./dom.js";
import { counted } from "./format.js";
import { History } from "./history.js";
import { PoolCard } from "./pool_card.js";
import { troubles } from "./trouble.js";

const OPEN_UP_TO = 8; // more pools than this begin closed
const FIRST = 150;

export class Pools {
  constructor() {
    this.history = new History();
    this.cards = new Map();
    this.pools = {};
    this.past = null;
    this.stale = new Set();
    this.inSight = new Set();
    this.most = FIRST;
    this.list = byId("pools-list");
    this.sight = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: "200px" });
    byId("pools-filter").addEventListener("submit", (event) => event.preventDefault());
    byId("pools-filter").addEventListener("input", () => this.arrange());
    byId("pools-more").addEventListener("click", () => {
      this.most += FIRST;
      this.arrange();
    });
    setInterval(() => this.tick(), 1000);
  }

  /** Live news: `changed` names the pools that did; null: any. */
  update(pools, changed) {
    const known = Object.keys(this.pools).length;
    this.pools = pools;
    if (changed === null) this.history.sample(pools);
    if (this.past !== null) return;
    const isSame = changed !== null && known === Object.keys(pools).length && changed.every((alias) => this.cards.has(alias) && pools[alias]);
    this.draw(changed ?? Object.keys(pools), isSame);
  }

  /** Show pools as they were; null: as they are. */
  showPast(pools) {
    this.past = pools;
    this.draw(Object.keys(this.shown), false);
  }

  get shown() {
    return this.past ?? this.pools;
  }

  draw(aliases, isSame) {
    for (const alias of aliases) this.stale.add(alias);
    if (isSame && !byId("pools-trouble").checked) this.count();
    else this.arrange();
    this.soon();
  }

  tick() {
    this.history.sample(this.pools);
    if (this.past !== null) return;
    for (const alias of this.inSight) this.stale.add(alias);
    this.soon();
  }

  soon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      for (const alias of this.stale) {
        if (this.inSight.has(alias) && this.shown[alias]) {
          this.cards.get(alias)?.update(this.shown[alias], this.past !== null);
          this.stale.delete(alias);
        }
      }
    });
  }

  seen(entries) {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.inSight.add(target.dataset.alias);
      else this.inSight.delete(target.dataset.alias);
    }
    this.soon();
  }

  /** Lay out the cards that the filter lets through. */
  arrange() {
    const text = byId("pools-text").value.trim().toLowerCase();
    const wantsTrouble = byId("pools-trouble").checked;
    const named = Object.values(this.shown).filter((pool) => has(pool, text));
    const found = wantsTrouble ? named.filter((pool) => troubles(pool).length) : named;
    found.sort((one, other) => (one.alias < other.alias ? -1 : 1));
    const isOpen = found.length <= OPEN_UP_TO;
    arrange(this.list, found.slice(0, this.most).map((pool) => this.cardOf(pool, isOpen).element));
    for (const alias of this.cards.keys()) if (!this.shown[alias]) this.forget(alias);
    byId("pools-more").hidden = found.length <= this.most;
    this.found = found.length;
    byId("pools-none").hidden = found.length > 0;
    put(byId("pools-none"), named.length || text ? "No pool fits the filter." : "There are no pools.");
    this.count();
  }

  count() {
    const all = Object.values(this.shown);
    const troubled = all.filter((pool) => troubles(pool).length).length;
    put(byId("pools-count"), this.found === all.length ? counted(all.length, "pool") : `${this.found} of ${counted(all.length, "pool")}`);
    put(byId("pools-trouble-label"), `Needs attention (${troubled})`);
  }

  cardOf(pool, isOpen) {
    let card = this.cards.get(pool.alias);
    if (card === undefined) {
      card = new PoolCard(pool.alias, this.history, { isOpen });
      card.element.dataset.alias = pool.alias;
      card.update(pool, this.past !== null);
      this.cards.set(pool.alias, card);
      this.sight.observe(card.element);
    }
    return card;
  }

  forget(alias) {
    this.sight.unobserve(this.cards.get(alias).element);
    this.cards.delete(alias);
    this.inSight.delete(alias);
    this.stale.delete(alias);
  }
}

function has(pool, text) {
  if (!text) return true;
  const names = [pool.alias, ...pool.providers.flatMap(({ name, url }) => [name, url])];
  return names.some((name) => name.toLowerCase().includes(text));
}
