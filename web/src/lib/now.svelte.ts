// The present time for texts such as "5 minutes ago" and "Today": it changes once a minute.

const MINUTE = 60_000;

class Now {
  time = $state(Date.now());

  constructor() {
    setInterval(() => {
      this.time = Date.now();
    }, MINUTE);
  }
}

export const now = new Now();
