import { shortcuts } from "../keys.ts";
import { Dialog } from "./dialog.tsx";

export function ShortcutsDialog({ close }: { readonly close: () => void }) {
  return (
    <Dialog title="Keys" close={close}>
      <dl class="shortcuts">
        {shortcuts.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p class="row end">
        <button type="button" class="primary" onClick={close}>
          Close
        </button>
      </p>
    </Dialog>
  );
}
