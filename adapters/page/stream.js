// The live stream: one websocket, made again whenever it ends, from where it was.
// Law: what `onState` is told follows without a gap from what it was told before, or comes with `isWhole`; a token that
// is good no more ends it.

import { isGood } from "./api.js";
import { Gap, fold, touched } from "./fold.js";
import { asProtocol } from "./session.js";

const SILENCE_MS = 40_000; // the gateway says something every 15 s
const FIRST_MS = 250;
const LONGEST_MS = 4_000;
const POLICY_VIOLATION = 1008;

export class Stream {
  /**
   * `onState(state, {isWhole, pools, events, leftOut})`, `onBarred()`,
   * `onLink(link)`: "connecting", "live", "resumed", "resynced", or "reconnecting" with a delay in ms.
   */
  constructor(token, { onState, onLink, onBarred }) {
    Object.assign(this, { token, onState, onLink, onBarred });
    this.state = null;
    this.failures = 0;
    this.hasBeenLive = false;
    this.isOver = false;
    this.hurry = () => this.retryNow();
    addEventListener("online", this.hurry);
    document.addEventListener("visibilitychange", this.hurry);
    this.connect();
  }

  close() {
    this.isOver = true;
    clearTimeout(this.timer);
    clearTimeout(this.watchdog);
    removeEventListener("online", this.hurry);
    document.removeEventListener("visibilitychange", this.hurry);
    this.socket?.close();
  }

  connect() {
    this.timer = null;
    if (!this.hasBeenLive) this.onLink("connecting");
    const from = this.state === null ? "" : `?from=${this.state.seq}`;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/live${from}`, ["pointsman.live", asProtocol(this.token)]);
    this.socket = socket;
    this.isSynced = false;
    socket.addEventListener("message", ({ data }) => this.socket === socket && this.take(JSON.parse(data)));
    socket.addEventListener("close", ({ code }) => this.socket === socket && this.lost(code));
    this.watch();
  }

  take(message) {
    this.watch();
    try {
      this.state = fold(this.state, message);
    } catch (gap) {
      if (!(gap instanceof Gap)) throw gap;
      this.state = null;
      this.socket.close();
      return;
    }
    if (this.state === null) {
      this.isSynced = false;
      return;
    }
    this.failures = 0;
    const isWhole = message.type === "snapshot";
    this.onState(this.state, {
      isWhole,
      pools: touched(message),
      events: message.events ?? [],
      leftOut: message.events_left_out ?? 0,
    });
    if (!this.isSynced) this.synced(isWhole);
  }

  synced(isWhole) {
    this.isSynced = true;
    const again = isWhole ? "resynced" : "resumed";
    this.onLink(this.hasBeenLive ? again : "live");
    this.hasBeenLive = true;
  }

  async lost(code) {
    clearTimeout(this.watchdog);
    if (this.isOver) return;
    // A handshake that was refused is told to scripts as any other failure, so the API is asked.
    const good = code === POLICY_VIOLATION || !this.isSynced ? await isGood(this.token) : true;
    if (this.isOver) return;
    if (good === false) {
      this.close();
      this.onBarred();
      return;
    }
    const delay = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.failures) * (0.8 + 0.4 * Math.random());
    this.failures += 1;
    this.onLink("reconnecting", delay);
    this.timer = setTimeout(() => this.connect(), delay);
  }

  retryNow() {
    if (!this.timer || document.hidden) return;
    clearTimeout(this.timer);
    this.connect();
  }

  /** A connection that has gone silent is given up. */
  watch() {
    clearTimeout(this.watchdog);
    const { socket } = this;
    this.watchdog = setTimeout(() => {
      if (this.socket !== socket) return;
      socket.close();
      // Its own goodbye may take minutes where the network is gone.
      this.socket = null;
      this.lost(0);
    }, SILENCE_MS);
  }
}
