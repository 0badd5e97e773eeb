import { useState } from "preact/hooks";
import type { DeadLetterAnswer } from "../answers.ts";
import { call } from "../api.ts";
import { useAsked } from "../asked.ts";
import { formatCount, formatTime } from "../figures.ts";
import { ProblemNote } from "../parts/note.tsx";
import { useDeed } from "../parts/use-deed.ts";
import { hexOf } from "./hex.ts";

/** One dead letter, whole, and the way back in for it. */
export function Letter(props: { readonly id: string; readonly close: string; readonly changed: () => void }) {
  const { id, close, changed } = props;
  const path = `/v1/dead-letters/${encodeURIComponent(id)}`;
  const { answer, problem, again } = useAsked<DeadLetterAnswer>(path);
  const replaying = useDeed();
  const [position, setPosition] = useState<string | undefined>(undefined);
  const replay = () =>
    replaying.start(async () => {
      const accepted = await call<{ readonly position: string }>(`${path}/replay`, { method: "POST" });
      setPosition(accepted.position);
      again();
      changed();
    });
  return (
    <section class="card" aria-label="Dead letter">
      <ProblemNote problem={problem} />
      {answer !== undefined && (
        <>
          <div class="section-head flush">
            <h2>
              {answer.code
                .replace(/^TIDEMARK_/, "")
                .toLowerCase()
                .replaceAll("_", " ")}
            </h2>
            <a href={close}>Close</a>
          </div>
          <p>{answer.message}</p>
          <dl class="facts">
            <dt>received</dt>
            <dd>{formatTime(answer.receivedAt)}</dd>
            <dt>event type</dt>
            <dd>{answer.topic ?? "not known"}</dd>
            <dt>place in the log</dt>
            <dd>
              {answer.record === null
                ? "none: the gateway refused it"
                : `partition ${answer.record.partition}, offset ${answer.record.offset}`}
            </dd>
            <dt>length</dt>
            <dd>{formatCount(answer.bytes)} bytes</dd>
          </dl>
          <pre class="raw">{answer.text === null ? hexOf(answer.base64) : pretty(answer.text)}</pre>
          <div class="row">
            {answer.isReplayed ? (
              <span class="chip good">replayed</span>
            ) : (
              <button type="button" class="primary" disabled={replaying.isDoing} onClick={replay}>
                Replay it
              </button>
            )}
            <span class="soft">
              {position === undefined ? (
                "Sends it again, as it stands: for what the app has learnt to read since."
              ) : (
                <>
                  Accepted at <code>{position}</code>
                </>
              )}
            </span>
          </div>
          <ProblemNote problem={replaying.problem} />
        </>
      )}
    </section>
  );
}

/** JSON with its lines broken; anything else as it is. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
