// Lets the messenger open without a network: the files of the build are stored when it is installed. It must never answer for
// the API, sockets or media: the client keeps what people wrote, and removes it when they log out.

// The build puts the list of files and their version here.
const files = "FILES";
const PREFIX = "meowsenger ";
const cacheName = `${PREFIX}VERSION`;

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin) return;
  if (request.mode === "navigate") {
    // The newest page if there is a network.
    const isOurs = !/^\/(api|ws|media|admin|healthz|readyz)(\/|$)/.test(pathname);
    if (isOurs) event.respondWith(fetch(request).catch(() => stored("/")));
  } else if (pathname !== "/" && files.includes(pathname)) {
    event.respondWith(stored(pathname).then((answer) => answer ?? fetch(request)));
  }
});

async function install() {
  const cache = await caches.open(cacheName);
  // The server gives the page to those who ask for HTML only.
  const request = (file) => new Request(file, { cache: "no-cache", headers: { Accept: "text/html,*/*" } });
  await cache.addAll(files.map(request));
  await self.skipWaiting();
}

async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== cacheName) await caches.delete(name);
  }
  await self.clients.claim();
}

function stored(path) {
  return caches.match(path, { cacheName, ignoreVary: true });
}
