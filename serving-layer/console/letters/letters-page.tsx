import type { DeadLettersAnswer } from "../answers.ts";
import { useAsked } from "../asked.ts";
import { formatAge, formatCount, formatTime } from "../figures.ts";
import { Empty, ProblemNote } from "../parts/note.tsx";
import { go, hrefOf, useRoute } from "../route.ts";
import { watched } from "../status.ts";
import { useStore } from "../store.ts";
import { Letter } from "./letter.tsx";

/** What was sent and is no event: nothing is dropped in silence. */
export function LettersPage() {
  const { subject, query } = useRoute();
  const { status } = useStore(watched);
  const asked = new URLSearchParams({ limit: "100" });
  for (const name of ["code", "topic", "before"]) {
    const value = query.get(name);
    if (value !== null) asked.set(name, value);
  }
  const { answer, problem, again } = useAsked<DeadLettersAnswer>(`/v1/dead-letters?${asked}`);
  const filter = (name: string, value: string) => {
    const next = new URLSearchParams(query);
    next.delete("before");
    if (value === "") next.delete(name);
    else next.set(name, value);
    go(hrefOf("letters", undefined, next));
  };
  return (
    <>
      <div class="page-head">
        <h1>Dead letters</h1>
        <p>
          {status?.deadLetters === undefined || status.deadLetters === null
            ? ""
            : `${formatCount(status.deadLetters)} kept, each with its bytes and the reason.`}
        </p>
      </div>
      <div class="row">
        {(["code", "topic"] as const).map((name) => (
          <label class="field grow" key={name}>
            <span>{name === "code" ? "Code" : "Event type"}</span>
            <input
              {...(name === "code" && { "data-first": true })}
              list={`${name}s`}
              placeholder="any"
              value={query.get(name) ?? ""}
              onChange={({ currentTarget }) => filter(name, currentTarget.value.trim())}
            />
          </label>
        ))}
        <Known id="codes" names={(answer?.deadLetters ?? []).map(({ code }) => code)} />
        <Known id="topics" names={Object.keys(status?.log ?? {})} />
        <button type="button" class="low" onClick={again}>
          Look again
        </button>
      </div>
      <ProblemNote problem={problem} />
      {answer?.deadLetters.length === 0 && <Empty>None: all that was sent is an event.</Empty>}
      <div class={subject === undefined ? "" : "two"}>
        {answer !== undefined && answer.deadLetters.length > 0 && (
          <div class="grid tall">
            <table class="stack">
              <thead>
                <tr>
                  <th>received</th>
                  <th>code</th>
                  <th>why</th>
                  {subject === undefined && <th>what was sent</th>}
                </tr>
              </thead>
              <tbody>
                {answer.deadLetters.map((letter) => (
                  <tr key={letter.id} class={letter.id === subject ? "selected" : ""}>
                    <td title={formatTime(letter.receivedAt)}>
                      <a href={hrefOf("letters", letter.id, query)}>{formatAge(letter.receivedAt)}</a>
                      {letter.isReplayed && <span class="chip good">replayed</span>}
                    </td>
                    <td class="mono">{letter.code.replace(/^TIDEMARK_/, "")}</td>
                    <td class="clip" title={letter.message}>
                      {letter.message}
                    </td>
                    {subject === undefined && <td class="mono clip">{letter.raw}</td>}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        {subject !== undefined && (
          <Letter key={subject} id={subject} close={hrefOf("letters", undefined, query)} changed={again} />
        )}
      </div>
      {answer?.before !== null && answer !== undefined && (
        <p class="row">
          <a href={hrefOf("letters", undefined, olderThan(query, answer.before))}>Older ones</a>
        </p>
      )}
    </>
  );
}

function Known({ id, names }: { readonly id: string; readonly names: readonly string[] }) {
  return (
    <datalist id={id}>
      {[...new Set(names)].map((name) => (
        <option key={name} value={name} />
      ))}
    </datalist>
  );
}

function olderThan(query: URLSearchParams, before: string): URLSearchParams {
  const next = new URLSearchParams(query);
  next.set("before", before);
  return next;
}
