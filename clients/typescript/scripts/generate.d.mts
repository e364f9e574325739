export const folder: URL;
export function generate(): Promise<Record<string, string>>;
