// Who acts in this tab, for as long as it is open: staff on their page, a guest on the live one.

import { grant } from "./api.js";

class Session {
  constructor(name) {
    this.name = name;
    this.tokens = JSON.parse(sessionStorage.getItem(name));
    this.renewing = null;
  }

  get isSignedIn() {
    return this.tokens !== null;
  }

  begin(tokens) {
    this.tokens = tokens;
    sessionStorage.setItem(this.name, JSON.stringify(tokens));
  }

  end() {
    this.tokens = null;
    sessionStorage.removeItem(this.name);
    dispatchEvent(new Event("signed-out"));
  }

  renew() {
    this.renewing ??= grant({ grant_type: "refresh_token", refresh_token: this.tokens.refresh_token })
      .then((tokens) => this.begin(tokens), (failure) => { if (failure.status) this.end(); throw failure; })
      .finally(() => { this.renewing = null; });
    return this.renewing;
  }

  // Call with the token; one that has ended is renewed once, however many calls find that out.
  async signedIn(call) {
    try {
      return await call(this.tokens?.access_token);
    } catch (failure) {
      if (failure.status !== 401 || !this.isSignedIn) throw failure;
      await this.renew();
      return call(this.tokens.access_token);
    }
  }
}

export const staff = new Session("headway.session");
export const guest = new Session("headway.guest");
