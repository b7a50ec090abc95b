// Elements. Law: all text goes in as text, never as markup, so nothing that is shown can run; and what has not changed
// is not touched, so that focus, selection and the screen reader's place stay.

const SVG = "http://www.w3.org/2000/svg";

/** The element of an id; the page's own ids are all in index.html. */
export const byId = (id) => document.getElementById(id);

/** An element: `on…` attributes are listeners, `true` and `false` switch, null leaves out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  return dressed(element, attributes, children);
}

/** The same in SVG. */
export function s(tag, attributes = {}, ...children) {
  return dressed(document.createElementNS(SVG, tag), attributes, children);
}

function dressed(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else set(element, name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** Set an attribute unless it is so. */
export function set(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else {
    const text = value === true ? "" : String(value);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

/** Set an element's whole text unless it is so. */
export function put(element, text) {
  const told = text === null || text === undefined ? "" : String(text);
  if (element.textContent !== told) element.textContent = told;
}

/** Set a custom property, 0 to 1, that a style sheet draws by. */
export function part(element, name, value) {
  const told = Math.max(0, Math.min(1, value || 0)).toFixed(4);
  if (element.style.getPropertyValue(name) !== told) element.style.setProperty(name, told);
}

/** Make an element's children these, leaving those in place that are there already. */
export function arrange(parent, children) {
  let place = parent.firstChild;
  for (const child of children) {
    if (child === place) place = place.nextSibling;
    else parent.insertBefore(child, place);
  }
  while (place !== null) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

/** A table whose roles are stated, since a narrow screen lays its rows out as blocks. Columns: `{name, label, isNumber}`. */
export function table(caption, columns, rows, more = {}) {
  const heads = columns.map((column) => h("th", { scope: "col", role: "columnheader", class: kind(column) }, column.label));
  return h(
    "table",
    { role: "table", ...more },
    h("caption", { class: "hidden" }, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)),
    h("tbody", { role: "rowgroup" }, rows),
  );
}

/** A row of such a table; its first cell heads it. */
export function row(columns, cells, more = {}) {
  const made = columns.map((column, place) =>
    place === 0
      ? h("th", { scope: "row", role: "rowheader", class: kind(column) }, cells[column.name])
      : h("td", { role: "cell", class: kind(column), "data-label": column.label }, cells[column.name]),
  );
  return h("tr", { role: "row", ...more }, made);
}

const kind = ({ name, isNumber }) => (isNumber ? `c-${name} number` : `c-${name}`);

/** A word or two in a frame, of a kind: good, warn, bad or none. */
export const chip = (text, kind = null) => h("span", { class: kind === null ? "chip" : `chip ${kind}` }, text);

/** A definition list's entry. */
export const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, ...value));
