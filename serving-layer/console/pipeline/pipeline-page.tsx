import { verdictOf } from "../parts/health.tsx";
import { Empty } from "../parts/note.tsx";
import { useWide } from "../parts/use-wide.ts";
import { watched } from "../status.ts";
import { useStore } from "../store.ts";
import { Cuts } from "./cuts.tsx";
import { Diagram } from "./diagram.tsx";
import { TideChart } from "./tide-chart.tsx";

/** Everything that moves, as it moves. */
export function PipelinePage() {
  const seen = useStore(watched);
  const isWide = useWide(980);
  const { reasons } = verdictOf(seen);
  return (
    <>
      <h1 class="unseen">Pipeline</h1>
      {reasons.map((reason) => (
        <p class="note bad" role="alert" key={reason}>
          {reason}
        </p>
      ))}
      {seen.status === undefined ? (
        <Empty>Asking the platform how it is…</Empty>
      ) : (
        <>
          <Diagram seen={seen} isWide={isWide} />
          <div class="beneath">
            <TideChart samples={seen.samples} />
            <Cuts status={seen.status} />
          </div>
        </>
      )}
    </>
  );
}
