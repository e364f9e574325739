// Which page is open, by the address.

export type Route =
  | { page: "home" }
  | { page: "chat"; chat: number }
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
  const [first, second = ""] = pathname.split("/").filter(Boolean);
  const query = new URLSearchParams(search);
  switch (first) {
    case "chats":
      return /^\d+$/.test(second) ? { page: "chat", chat: Number(second) } : { page: "home" };
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
