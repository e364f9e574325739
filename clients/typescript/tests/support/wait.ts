// Waiting for something to become true, without sleeping for a fixed time.

import type { Event } from "../../src/events.ts";
import type { Live } from "../../src/live.ts";

/** Resolves as soon as the condition holds, which is looked at after each event. Rejects after the deadline. */
export function until(live: Live, condition: () => boolean, deadline = 20_000): Promise<void> {
  return new Promise((resolve, reject) => {
    const check = (event?: Event) => {
      if (condition()) done(resolve);
      else if (event?.type === "ended") done(() => reject(event.error));
    };
    const timer = setTimeout(() => done(() => reject(new Error(`not within ${deadline} ms: ${condition}`))), deadline);
    const stop = live.listen(check);
    const done = (finish: () => void) => {
      clearTimeout(timer);
      stop();
      finish();
    };
    check();
  });
}

/** Resolves when nothing is known to be missing. */
export const synced = (live: Live): Promise<void> => until(live, () => live.isConnected && live.replica.isUpToDate);
