// Registers the service worker. Where Trusted Types are required, the address of a worker has to come from a policy.

interface Policies {
  createPolicy(name: string, rules: { createScriptURL: () => string }): { createScriptURL(url: string): string };
}

const ADDRESS = "/sw.js";

export function startWorker(): void {
  if (!("serviceWorker" in navigator) || import.meta.env.DEV) return;
  const { trustedTypes } = globalThis as { trustedTypes?: Policies };
  try {
    const policy = trustedTypes?.createPolicy("meowsenger", { createScriptURL: () => ADDRESS });
    // Without it the messenger does not open offline, and that is all.
    navigator.serviceWorker.register(policy?.createScriptURL(ADDRESS) ?? ADDRESS).catch(() => {});
  } catch {
    // The server's policy does not know ours.
  }
}
