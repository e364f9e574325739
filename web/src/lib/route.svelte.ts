// Which page is open, by the address.

export type Route =
  | { page: "home" }
  | { page: "chat"; chat: number }
  | { page: "info"; chat: number }
  | { page: "settings" }
  | { page: "login" | "register" | "forgot" }
  | { page: "reset"; uid: string; token: string }
  | { page: "invite"; code: string };

class Router {
  current = $state.raw<Route>(parse(location));

  constructor() {
    addEventListener("popstate", () => this.#read());
  }

  /** Opens a page of the app. `replace`: going back skips the present one. */
  go(path: string, { replace = false } = {}): void {
    if (path === location.pathname + location.search) return;
    if (replace) history.replaceState(null, "", path);
    else history.pushState(null, "", path);
    this.#read();
  }

  #read(): void {
    this.current = parse(location);
  }
}

function parse({ pathname, search }: Location): Route {
  const [first, second = "", third] = pathname.split("/").filter(Boolean);
  const query = new URLSearchParams(search);
  switch (first) {
    case "chats":
      if (!/^\d+$/.test(second)) return { page: "home" };
      return { page: third === "info" ? "info" : "chat", chat: Number(second) };
    case "settings":
    case "login":
    case "register":
    case "forgot":
      return { page: first };
    case "reset":
      return { page: first, uid: query.get("uid") ?? "", token: query.get("token") ?? "" };
    case "invite":
      return { page: first, code: second };
    default:
      return { page: "home" };
  }
}

export const router = new Router();
