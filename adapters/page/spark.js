// A line of the last latencies, with its meaning in words.

import { s, set } from "./dom.js";
import { span } from "./format.js";

const WIDTH = 96;
const HEIGHT = 22;
const SAMPLES = 120;

export class Spark {
  constructor(name) {
    this.name = name;
    this.line = s("path", { class: "spark-line" });
    this.last = s("circle", { class: "spark-last", r: 1.8 });
    this.element = s(
      "svg",
      { class: "spark", role: "img", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, preserveAspectRatio: "none" },
      this.line,
      this.last,
    );
  }

  draw(values) {
    const known = values.filter((value) => value !== null);
    set(this.element, "aria-label", told(this.name, known));
    if (known.length === 0) {
      set(this.line, "d", null);
      set(this.last, "visibility", "hidden");
      return;
    }
    const highest = Math.max(...known);
    const lowest = Math.min(...known);
    // A quiet line stays quiet: what differs by less than a tenth is not blown up to the full height.
    const range = Math.max(highest - lowest, highest * 0.1, 0.001);
    const middle = (highest + lowest) / 2;
    const x = (place) => WIDTH - 3 - ((values.length - 1 - place) * (WIDTH - 5)) / (SAMPLES - 1);
    const y = (value) => HEIGHT / 2 - ((value - middle) / range) * (HEIGHT - 6);
    set(this.line, "d", path(values, x, y));
    set(this.last, "visibility", null);
    set(this.last, "cx", x(values.length - 1).toFixed(1));
    set(this.last, "cy", y(known.at(-1)).toFixed(1));
  }
}

function path(values, x, y) {
  let drawn = "";
  let isDown = false;
  values.forEach((value, place) => {
    if (value !== null) drawn += `${isDown ? "L" : "M"}${x(place).toFixed(1)} ${y(value).toFixed(1)}`;
    isDown = value !== null;
  });
  return drawn;
}

function told(name, known) {
  if (known.length === 0) return `Latency of ${name}: no answer yet`;
  const from = span(Math.min(...known));
  const to = span(Math.max(...known));
  const now = span(known.at(-1));
  return `Latency of ${name}: ${now}` + (from === to ? ", steady" : `, between ${from} and ${to} in the last two minutes`);
}
