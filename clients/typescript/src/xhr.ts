// A request by XMLHttpRequest, which can tell how much of its body was sent. `fetch` cannot.

/** An answer, whatever its status. */
export interface Exchange {
  status: number;
  headers: Headers;
  text: string;
}

interface Request {
  method: string;
  headers: Record<string, string>;
  body?: BodyInit;
  signal: AbortSignal;
}

export function exchangeWithProgress(
  url: string,
  { method, headers, body, signal }: Request,
  onProgress: (sent: number, total: number) => void,
): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => onProgress(loaded, total);
    request.onload = () => {
      const { status, responseText: text } = request;
      resolve({ status, headers: headersOf(request.getAllResponseHeaders()), text });
    };
    request.onerror = () => reject(new TypeError("the request failed"));
    request.onabort = () => reject(new TypeError("the request was stopped"));
    signal.addEventListener("abort", () => request.abort());
    if (signal.aborted) return reject(signal.reason);
    request.send(body as XMLHttpRequestBodyInit | undefined);
  });
}

function headersOf(lines: string): Headers {
  const headers = new Headers();
  for (const line of lines.trim().split("\r\n").filter(Boolean)) {
    const colon = line.indexOf(":");
    headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return headers;
}
