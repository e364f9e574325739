// The colours: those of the system, or a choice that this browser remembers.

const KEY = "meow.theme";
export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

class ThemeChoice {
  current = $state<Theme>(read());

  set(theme: Theme): void {
    this.current = theme;
    localStorage.setItem(KEY, theme);
    this.apply();
  }

  apply(): void {
    const root = document.documentElement;
    if (this.current === "system") delete root.dataset.theme;
    else root.dataset.theme = this.current;
  }
}

function read(): Theme {
  const stored = localStorage.getItem(KEY);
  return THEMES.find((theme) => theme === stored) ?? "system";
}

export const theme = new ThemeChoice();
