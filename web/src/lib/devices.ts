// A short name for what a session was started with, by its User-Agent; empty if that says nothing.

const PROGRAMS = [/Edg/, /Firefox/, /Chrome|Chromium/, /Safari/];
const NAMES = ["Edge", "Firefox", "Chrome", "Safari"];
const SYSTEMS = { Android: /Android/, iPhone: /iPhone/, iPad: /iPad/, Windows: /Windows/, Mac: /Mac OS/, Linux: /Linux/ };

export function deviceName(userAgent: string): string {
  const program = NAMES[PROGRAMS.findIndex((pattern) => pattern.test(userAgent))];
  const system = Object.entries(SYSTEMS).find(([, pattern]) => pattern.test(userAgent))?.[0];
  if (!program) return userAgent.slice(0, 60);
  return system ? `${program}, ${system}` : program;
}
