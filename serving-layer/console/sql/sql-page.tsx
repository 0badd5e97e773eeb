import { useRef, useState } from "preact/hooks";
import type { ViewDescription } from "../answers.ts";
import { call } from "../api.ts";
import { useAsked } from "../asked.ts";
import { Empty, ProblemNote } from "../parts/note.tsx";
import { useDeed } from "../parts/use-deed.ts";
import { go, hrefOf, useRoute } from "../route.ts";
import { ResultGrid, type SqlAnswer } from "./result-grid.tsx";
import { Tables } from "./tables.tsx";

interface Result {
  readonly answer: SqlAnswer;
  readonly ms: number;
}

/** A SELECT over the views and the events, as a platform of rows and columns has it. */
export function SqlPage() {
  const { query } = useRoute();
  const views = useAsked<{ readonly views: readonly ViewDescription[] }>("/v1/views").answer?.views;
  const element = useRef<HTMLTextAreaElement>(null);
  const [written, write] = useState<string | undefined>(query.get("q") ?? undefined);
  const statement = written ?? firstStatement(views);
  const [result, setResult] = useState<Result | undefined>(undefined);
  const running = useDeed();
  const isMissing = running.problem?.code === "TIDEMARK_ROUTE_UNKNOWN";
  const run = () => {
    go(hrefOf("sql", undefined, new URLSearchParams({ q: statement })), "replace");
    running.start(async () => {
      const begin = performance.now();
      const answer = await call<SqlAnswer>("/v1/sql", { method: "POST", body: { sql: statement } });
      setResult({ answer, ms: performance.now() - begin });
    });
  };
  const insert = (text: string) => {
    const area = element.current;
    if (area === null) return;
    area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
    write(area.value);
    area.focus();
  };
  return (
    <>
      <div class="page-head">
        <h1>SQL</h1>
        <p>Each view is a table of merged values. One SELECT, read only.</p>
      </div>
      <div class="sql">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            run();
          }}
        >
          <label class="unseen" for="statement">
            Statement
          </label>
          <textarea
            id="statement"
            class="statement"
            ref={element}
            data-first
            spellcheck={false}
            value={statement}
            onInput={({ currentTarget }) => write(currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
              event.preventDefault();
              run();
            }}
          />
          <p class="row">
            <button type="submit" class="primary" disabled={running.isDoing || statement.trim() === ""}>
              {running.isDoing ? "Running…" : "Run it"}
            </button>
            <span class="soft">
              <kbd>Ctrl</kbd> <kbd>Enter</kbd>
            </span>
          </p>
        </form>
        {views !== undefined && <Tables views={views} insert={insert} />}
      </div>
      {isMissing ? (
        <Empty>SQL is not available on this server: it has no POST /v1/sql.</Empty>
      ) : (
        <ProblemNote problem={running.problem} />
      )}
      {result !== undefined && running.problem === undefined && (
        <ResultGrid answer={result.answer} ms={result.ms} />
      )}
    </>
  );
}

function firstStatement(views: readonly ViewDescription[] | undefined): string {
  const [view] = views ?? [];
  return view === undefined ? "" : `SELECT *\nFROM "${view.name}"\nLIMIT 20`;
}
