// A short message that appears for a few seconds, for what has no place of its own.

import { explain } from "./problems.ts";

const LASTS = 5_000;

class Toasts {
  text = $state("");
  #timer: ReturnType<typeof setTimeout> | undefined;

  say(text: string): void {
    clearTimeout(this.#timer);
    this.text = text;
    this.#timer = setTimeout(() => {
      this.text = "";
    }, LASTS);
  }

  /** Runs an action, and says so if it fails. Resolves to whether it worked. */
  async attempt(action: () => Promise<unknown>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (error) {
      this.say(explain(error));
      return false;
    }
  }
}

export const toast = new Toasts();
