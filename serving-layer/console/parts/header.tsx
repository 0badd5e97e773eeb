import { useEffect, useRef } from "preact/hooks";
import { forgetKey, storedKey } from "../key.ts";
import { hrefOf, pages, useRoute } from "../route.ts";
import { watched } from "../status.ts";
import { useStore } from "../store.ts";
import { nextTheme, theme } from "../theme.ts";
import { Health } from "./health.tsx";

export function Header({ titles }: { readonly titles: Readonly<Record<string, string>> }) {
  const { page } = useRoute();
  const { status } = useStore(watched);
  const chosen = useStore(theme);
  const pagesNav = useRef<HTMLElement>(null);
  // Where there is no room for all of them they scroll.
  useEffect(() => {
    pagesNav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [page]);
  return (
    <header class="top">
      <a class="brand" href={hrefOf("pipeline")} aria-label="Tidemark: the pipeline">
        <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
          <path
            class="brand-water"
            d="M0 19c4-4 7-4 11 0s7 4 11 0 6-4 10-1v6a8 8 0 0 1-8 8H8a8 8 0 0 1-8-8z"
          />
          <path class="brand-line" d="M3 11.5h26" />
        </svg>
        <span class="brand-name">Tidemark</span>
        {status !== undefined && <span class="brand-app">{status.app}</span>}
      </a>
      <nav aria-label="Pages" ref={pagesNav}>
        {pages.map((name) => (
          <a key={name} href={hrefOf(name)} aria-current={name === page ? "page" : undefined}>
            {titles[name]}
            {name === "letters" && (status?.deadLetters ?? 0) > 0 && (
              <span class="badge">{status?.deadLetters}</span>
            )}
          </a>
        ))}
      </nav>
      <div class="top-end">
        <Health />
        {storedKey() !== undefined && (
          <button type="button" class="quiet" onClick={forgetKey}>
            Forget key
          </button>
        )}
        <button
          type="button"
          class="quiet"
          onClick={nextTheme}
          title="Colours (t)"
          aria-label={`Colours: ${chosen}`}
        >
          {{ system: "◐", light: "☼", dark: "☾" }[chosen]}
        </button>
      </div>
    </header>
  );
}
