import { createStore } from "./store.ts";

const item = "tidemark.key";

/** What is asked of the person at the screen; undefined: nothing. */
export interface KeyPrompt {
  /** A key was sent, and is nobody's. */
  readonly wasRefused: boolean;
}

export const keyPrompt = createStore<KeyPrompt | undefined>(undefined);

let asking: { readonly answered: Promise<void>; readonly answer: () => void } | undefined;

/** Kept as long as this tab is open. */
export function storedKey(): string | undefined {
  return sessionStorage.getItem(item) ?? undefined;
}

/** Resolves once there is another key than `refused`; who asks while others wait, waits with them. */
export function askForKey(refused: string | undefined): Promise<void> {
  if (asking === undefined && storedKey() !== refused) return Promise.resolve();
  if (asking === undefined) {
    let answer = () => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    asking = { answered, answer };
    keyPrompt.set({ wasRefused: refused !== undefined });
  }
  return asking.answered;
}

export function giveKey(key: string): void {
  sessionStorage.setItem(item, key.trim());
  keyPrompt.set(undefined);
  const { answer } = asking ?? {};
  asking = undefined;
  answer?.();
}

export function forgetKey(): void {
  sessionStorage.removeItem(item);
  location.reload();
}
