// Locks among all tabs of a site, by the Web Locks API. Where it is missing (Node, pages without HTTPS) a lock holds within
// the program only.

const held = new Map<string, Promise<unknown>>();

/** Runs a task while no other one with this name runs. */
export function withLock<T>(name: string, task: () => Promise<T>): Promise<T> {
  if (globalThis.navigator?.locks) return navigator.locks.request(name, task) as Promise<T>;
  const previous = held.get(name) ?? Promise.resolve();
  const current = previous.then(task, task);
  held.set(name, current);
  const release = () => {
    if (held.get(name) === current) held.delete(name);
  };
  current.then(release, release);
  return current;
}
