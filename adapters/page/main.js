// The page: signs in, follows the live stream, and shows one view at a time, which the address names behind `#/`.

import { Api, isGood } from "./api.js";
import { Changes } from "./changes.js";
import { close as closeDialog } from "./dialog.js";
import { byId, put, set } from "./dom.js";
import { Plan } from "./plan.js";
import { Pools } from "./pools.js";
import { Requests } from "./requests.js";
import { forget, keep, kept } from "./session.js";
import { showGateway, showLink } from "./status.js";
import { Stream } from "./stream.js";
import { Time } from "./time.js";

const VIEWS = ["pools", "changes", "requests", "plan"];
const BARRED = "This token is not good: it is wrong, expired or revoked.";

const pools = new Pools();
let session = null;

function begin(token) {
  keep(token);
  const api = new Api(token, () => barred());
  const time = new Time(api, pools);
  const changes = new Changes(api, (events) => time.know(events));
  const stream = new Stream(token, {
    onState(state, news) {
      showGateway(state);
      pools.update(state.pools, news.isWhole ? null : (news.pools ?? []));
      changes.told(state.eventsPosition ?? state.position, news.events, news.leftOut);
    },
    onLink: showLink,
    onBarred: () => barred(),
  });
  session = { changes, plan: new Plan(api), requests: new Requests(api), stream, time };
  byId("sign-in").hidden = true;
  for (const id of ["app", "views", "sign-out"]) byId(id).hidden = false;
  route(false);
}

function end() {
  session?.stream.close();
  session?.time.close();
  session = null;
  forget();
  closeDialog();
  pools.update({}, null);
  blank();
  showLink("off");
  for (const id of ["app", "views", "sign-out"]) byId(id).hidden = true;
  askForToken();
}

/** Nothing that was shown with a token stays without it. */
function blank() {
  for (const id of ["gateway", "notices", "changes-list", "requests-list", "explanation", "plan-result", "dialog-body"]) {
    byId(id).replaceChildren();
  }
  delete byId("gateway").dataset.told;
  for (const id of ["plan-form", "requests-find", "requests-filter", "pools-filter"]) byId(id).reset();
}

function barred() {
  if (session === null) return;
  end();
  refuse(BARRED);
}

function askForToken() {
  byId("sign-in").hidden = false;
  byId("sign-in-error").hidden = true;
  byId("token").value = "";
  byId("token").focus();
}

function refuse(why) {
  byId("sign-in-error").hidden = false;
  put(byId("sign-in-error"), why);
  byId("token").focus();
}

async function signIn(event) {
  event.preventDefault();
  const token = byId("token").value.trim();
  if (!token) return;
  // Browsers put nothing else into a header.
  const good = /^[\x20-\x7e]+$/.test(token) ? await isGood(token) : false;
  if (good === true) begin(token);
  else refuse(good === false ? BARRED : "The gateway does not answer.");
}

/** Show the view that the address names; `isAsked`: by somebody, whose focus goes there. */
function route(isAsked) {
  if (session === null) return;
  const [, name, ...rest] = location.hash.split("/");
  const view = VIEWS.includes(name) ? name : "pools";
  const id = rest.length ? decoded(rest.join("/")) : null;
  document.body.dataset.view = view;
  for (const one of VIEWS) byId(one).hidden = one !== view && !(one === "changes" && view === "pools");
  byId("time").hidden = view !== "pools";
  for (const link of byId("views").children) set(link, "aria-current", link.hash === `#/${view}` ? "page" : null);
  put(document.querySelector("title"), `${view[0].toUpperCase()}${view.slice(1)} · Pointsman`);
  if (isAsked && id === null) byId(`${view}-title`).focus();
  if (view === "requests") session.requests.open(id);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

addEventListener("hashchange", () => route(true));
byId("sign-in-form").addEventListener("submit", signIn);
byId("sign-out").addEventListener("click", end);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});

if (kept() === null) askForToken();
else begin(kept());
