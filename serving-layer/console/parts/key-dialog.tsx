import { giveKey, keyPrompt } from "../key.ts";
import { useStore } from "../store.ts";
import { Dialog } from "./dialog.tsx";

/** Asks for an API key once the server wants one. */
export function KeyDialog() {
  const prompt = useStore(keyPrompt);
  if (prompt === undefined) return null;
  const give = (event: SubmitEvent) => {
    event.preventDefault();
    const key = new FormData(event.currentTarget as HTMLFormElement).get("key");
    if (typeof key === "string" && key.trim() !== "") giveKey(key);
  };
  return (
    <Dialog title="This server answers who has a key">
      <form onSubmit={give}>
        <p>
          <label for="key">API key, the secret alone, or token. It is kept until this tab is closed.</label>
        </p>
        {prompt.wasRefused && (
          <p class="note bad" role="alert">
            That key is not known here.
          </p>
        )}
        <p class="row">
          <input id="key" name="key" type="password" autocomplete="off" required class="grow" />
          <button type="submit" class="primary">
            Go on
          </button>
        </p>
      </form>
    </Dialog>
  );
}
