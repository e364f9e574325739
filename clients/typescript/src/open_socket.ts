// Opens a WebSocket with what the platform has.

/** The part of the WebSocket API that is used here. */
export interface Socket {
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: unknown) => void) | null;
  send(text: string): void;
  close(): void;
}

/** The global `WebSocket`, or one of our own in Node before version 22. */
export async function openSocket(url: string): Promise<Socket> {
  if (globalThis.WebSocket) return new WebSocket(url) as Socket;
  const { NodeSocket } = await import("./node_socket.ts");
  return new NodeSocket(url);
}
