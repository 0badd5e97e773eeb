import type { ComponentType } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import { DriftPage } from "./drift/drift-page.tsx";
import { ExplorePage } from "./explore/explore-page.tsx";
import { useShortcuts } from "./keys.ts";
import { LettersPage } from "./letters/letters-page.tsx";
import { Header } from "./parts/header.tsx";
import { KeyDialog } from "./parts/key-dialog.tsx";
import { ShortcutsDialog } from "./parts/shortcuts-dialog.tsx";
import { PipelinePage } from "./pipeline/pipeline-page.tsx";
import { type PageName, useRoute } from "./route.ts";
import { RunsPage } from "./runs/runs-page.tsx";
import { SqlPage } from "./sql/sql-page.tsx";
import { watched } from "./status.ts";
import { useStore } from "./store.ts";

const shown: Readonly<Record<PageName, { readonly title: string; readonly Page: ComponentType }>> = {
  pipeline: { title: "Pipeline", Page: PipelinePage },
  explore: { title: "Explore", Page: ExplorePage },
  runs: { title: "Batch runs", Page: RunsPage },
  drift: { title: "Comparison", Page: DriftPage },
  letters: { title: "Dead letters", Page: LettersPage },
  sql: { title: "SQL", Page: SqlPage },
};

export function App() {
  const { page } = useRoute();
  const { status } = useStore(watched);
  const [isHelping, setHelping] = useState(false);
  const showHelp = useCallback(() => setHelping(true), []);
  useShortcuts(showHelp);
  const { title, Page } = shown[page];
  useEffect(() => {
    document.title = `${title} · ${status?.app ?? "Tidemark"}`;
  }, [title, status?.app]);
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("content")?.focus()}>
        Skip to the content
      </button>
      <Header titles={Object.fromEntries(Object.entries(shown).map(([name, { title }]) => [name, title]))} />
      <main id="content" tabIndex={-1} key={page}>
        <Page />
      </main>
      <KeyDialog />
      {isHelping && <ShortcutsDialog close={() => setHelping(false)} />}
    </>
  );
}
