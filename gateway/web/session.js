// Who is signed in, for as long as the tab is open.

import { grant } from "./api.js";

const KEPT = "headway.session";
let session = JSON.parse(sessionStorage.getItem(KEPT));
let renewing = null;

export function isSignedIn() {
  return session !== null;
}

export async function begin(form) {
  session = await grant(form);
  sessionStorage.setItem(KEPT, JSON.stringify(session));
}

export function end() {
  session = null;
  sessionStorage.removeItem(KEPT);
  dispatchEvent(new Event("signed-out"));
}

function renew() {
  renewing ??= begin({ grant_type: "refresh_token", refresh_token: session.refresh_token })
    .catch((failure) => { if (failure.status) end(); throw failure; })
    .finally(() => { renewing = null; });
  return renewing;
}

// Call with the token; one that has ended is renewed once, however many calls find that out.
export async function signedIn(call) {
  try {
    return await call(session?.access_token);
  } catch (failure) {
    if (failure.status !== 401 || !session) throw failure;
    await renew();
    return call(session.access_token);
  }
}
