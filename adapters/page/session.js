// The token, in this tab's own storage until the tab is closed. It is never in an address, and in no other storage.

const PLACE = "pointsman.token";

export const kept = () => sessionStorage.getItem(PLACE);

export const keep = (token) => sessionStorage.setItem(PLACE, token);

export const forget = () => sessionStorage.removeItem(PLACE);

/** The token as a websocket's subprotocol, which browsers allow few characters in. */
export function asProtocol(token) {
  const escaped = (character) => `%${character.charCodeAt(0).toString(16)}`;
  return `pointsman.token.${encodeURIComponent(token).replace(/[()']/g, escaped)}`;
}
