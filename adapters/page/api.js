// The admin API. Law: the token goes in a header and nowhere else; an error is what the gateway said of it.

const BASE = "/admin/v1";
const PATIENCE_MS = 30_000;

/** What the API refused, in its words (RFC 9457). `status` 0: there was no answer. */
export class Problem extends Error {
  constructor(status, detail, errors = []) {
    super(detail);
    this.status = status;
    this.errors = errors;
  }

  /** One line each. */
  get lines() {
    const told = ({ where, what, valid }) => `${where ? `${where}: ` : ""}${what}${valid ? `; valid: ${valid}` : ""}`;
    return [this.message, ...this.errors.map(told)];
  }
}

export class Api {
  /** `onBarred` is told when the token is good no more. */
  constructor(token, onBarred) {
    this.token = token;
    this.onBarred = onBarred;
  }

  /** The JSON at a path below the API; `query` without its empty values. Throws Problem. */
  get(path, query = {}, signal = undefined) {
    return this.ask("GET", path, query, undefined, signal);
  }

  post(path, query, body) {
    return this.ask("POST", path, query, body, undefined);
  }

  async ask(method, path, query, body, signal) {
    const given = Object.entries(query).filter(([, one]) => one !== null && one !== undefined && one !== "");
    const asked = given.length ? `?${new URLSearchParams(given)}` : "";
    const headers = { authorization: `Bearer ${this.token}`, accept: "application/json" };
    if (body !== undefined) headers["content-type"] = "application/json";
    const late = AbortSignal.timeout(PATIENCE_MS);
    let answer;
    try {
      answer = await fetch(`${BASE}${path}${asked}`, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        cache: "no-store",
        signal: signal ? AbortSignal.any([signal, late]) : late,
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Problem(0, error.name === "TimeoutError" ? "The gateway took too long to answer." : "The gateway does not answer.");
    }
    const told = await answer.json().catch(() => null);
    if (answer.ok) return told;
    const problem = new Problem(answer.status, told?.detail ?? `The gateway answered with status ${answer.status}.`, told?.errors);
    if (answer.status === 401) this.onBarred(problem.message);
    throw problem;
  }
}

/** Whether a token is good: true, false, or null where the gateway does not answer. */
export async function isGood(token) {
  try {
    await new Api(token, () => {}).get("/events", { limit: 1 });
    return true;
  } catch (problem) {
    if (problem.status === 401) return false;
    return problem.status === 0 ? null : true;
  }
}
