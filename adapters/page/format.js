// Numbers and times as they are read. Times come from the gateway, in UTC, and are shown in the reader's zone.

import { h } from "./dom.js";

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const PLAIN = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const CLOCK = new Intl.DateTimeFormat("en-GB", PLAIN);
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const FULL = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });
const DAY_MS = 86_400_000;

export const number = (value) => NUMBER.format(value);

export const percent = (part) => `${part > 0 && part < 0.01 ? "<1" : Math.round(part * 100)} %`;

/** "1 pool", "3 pools". */
export const counted = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/** Of milliseconds: "0.4 ms", "132 ms", "1.24 s". */
export function span(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 10) return `${NUMBER.format(ms)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(2)} s` : age(ms);
}

/** Of milliseconds, roughly: "12 s", "4 min", "3 h". */
export function age(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

/** "21:04:07", with the day where it is not today's. */
export function clock(date) {
  const told = CLOCK.format(date);
  const isToday = new Date().toDateString() === date.toDateString();
  return isToday ? told : `${DAY.format(date)} ${told}`;
}

/** A moment, exact for machines and in full on pointing at it. */
export function moment(date) {
  return h("time", { datetime: date.toISOString(), title: FULL.format(date) }, clock(date));
}

/** Whether two dates are of one day here. */
export const isSameDay = (one, other) => Math.abs(one - other) < DAY_MS && one.getDate() === other.getDate();

export const ofMicroseconds = (us) => new Date(us / 1000);

/** A value of a diff, short. */
export function value(of) {
  if (of === null || of === undefined) return "none";
  return typeof of === "object" ? JSON.stringify(of, null, 1).replace(/\n\s*/g, " ") : String(of);
}

/** The host of an address, for where the whole is too long. */
export function host(url) {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}

/** An identifier's words: `pool_rate` is "pool rate". */
export const words = (name) => String(name).replaceAll("_", " ");
