import { useEffect, useState } from "preact/hooks";
import type { ViewDescription } from "../answers.ts";
import { useAsked, useWork } from "../asked.ts";
import { Empty, ProblemNote } from "../parts/note.tsx";
import { useWide } from "../parts/use-wide.ts";
import { type Route, useRoute } from "../route.ts";
import { ask } from "./outcome.ts";
import { OutcomeView } from "./outcome-view.tsx";
import { compareUrl, readQuestion, rowsUrl } from "./question.ts";
import { QuestionForm } from "./question-form.tsx";

const againEveryMs = 2_000;

/** Any question to any view, answered as soon as it is put. */
export function ExplorePage() {
  const route = useRoute();
  const { answer, problem } = useAsked<{ readonly views: readonly ViewDescription[] }>("/v1/views");
  const view = answer?.views.find(({ name }) => name === route.subject) ?? answer?.views[0];
  return (
    <>
      <h1 class="unseen">Explore</h1>
      <ProblemNote problem={problem} />
      {answer !== undefined && view === undefined && <Empty>This app declares no views.</Empty>}
      {answer !== undefined && view !== undefined && (
        <Explorer views={answer.views} view={view} route={route} />
      )}
    </>
  );
}

function Explorer(props: {
  readonly views: readonly ViewDescription[];
  readonly view: ViewDescription;
  readonly route: Route;
}) {
  const { views, view, route } = props;
  const question = readQuestion(view, route);
  const name = `${question.layer === "both" ? compareUrl(question) : rowsUrl(question)} ${question.charted.name}`;
  const { answer, problem, isAsking, again } = useWork(name, (signal) => ask(question, signal));
  const isWide = useWide(1_101);
  const [isLive, setLive] = useState(false);
  useEffect(() => {
    if (!isLive || isAsking) return;
    const timer = setTimeout(again, againEveryMs);
    return () => clearTimeout(timer);
  }, [isLive, isAsking, again]);
  const isOfNow = answer?.question.view === view;
  return (
    <div class="explore">
      {isWide ? (
        <QuestionForm views={views} question={question} />
      ) : (
        <details class="fold">
          <summary>
            <b>{view.name}</b> {question.measures.join(", ")} by {question.groupBy.join(", ") || "nothing"}
          </summary>
          <QuestionForm views={views} question={question} />
        </details>
      )}
      <section aria-label="Answer" aria-busy={isAsking}>
        <p class="row end">
          <label class="check">
            <input
              type="checkbox"
              checked={isLive}
              onChange={({ currentTarget }) => setLive(currentTarget.checked)}
            />
            keep asking
          </label>
          <button type="button" onClick={again}>
            Ask again
          </button>
        </p>
        <ProblemNote problem={isAsking ? undefined : problem} />
        {isAsking && !isOfNow && <Empty>Asking…</Empty>}
        {answer !== undefined && isOfNow && (
          <div class={isAsking && !isLive ? "waiting" : ""}>
            <OutcomeView outcome={answer} />
          </div>
        )}
      </section>
    </div>
  );
}
