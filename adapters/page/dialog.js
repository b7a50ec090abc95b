// The one dialog. The browser's own: it keeps focus inside, closes on Escape, and gives focus back.

import { byId, h, put } from "./dom.js";

const element = byId("dialog");

/** Open it with a title, or fill it anew if it is open; what is shown until `fill()` has the content, told if it fails. */
export async function show(title, fill) {
  put(byId("dialog-title"), title);
  const body = byId("dialog-body");
  const waiting = h("p", { class: "muted", role: "status" }, "Loading…");
  body.replaceChildren(waiting);
  body.scrollTop = 0;
  if (!element.open) element.showModal();
  let content;
  try {
    content = await fill();
  } catch (problem) {
    content = failure(problem);
  }
  // Somebody may have asked for something else meanwhile.
  if (waiting.isConnected) body.replaceChildren(...[content].flat());
}

export const close = () => element.open && element.close();

/** What went wrong, in the gateway's words. Whatever is no problem of the API is a fault of the page's, and is raised. */
export function failure(problem) {
  if (problem.lines === undefined) throw problem;
  const [first, ...more] = problem.lines;
  const list = more.length ? h("ul", {}, more.map((line) => h("li", {}, line))) : null;
  return h("div", { class: "notice bad", role: "alert" }, h("p", {}, first), list);
}

element.addEventListener("click", (event) => {
  // On the backdrop, which is the dialog itself outside of its content.
  if (event.target === element) element.close();
});
