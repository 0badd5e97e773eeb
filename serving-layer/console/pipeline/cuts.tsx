import type { StatusAnswer, ViewStatus } from "../answers.ts";
import { formatAge, formatCount } from "../figures.ts";
import { ShareBar, ShareLegend } from "../parts/share-bar.tsx";
import { countRecords, readNexts } from "../positions.ts";
import { hrefOf } from "../route.ts";

/** Of each view where its generation ends and its tail begins, and how far that reaches. */
export function Cuts({ status }: { readonly status: StatusAnswer }) {
  return (
    <section class="cuts">
      <div class="section-head">
        <h2>Cuts</h2>
        <ShareLegend withBehind />
      </div>
      {Object.entries(status.views).map(([name, view]) => (
        <ViewCut key={name} name={name} view={view} log={status.log} />
      ))}
    </section>
  );
}

function ViewCut(props: {
  readonly name: string;
  readonly view: ViewStatus;
  readonly log: StatusAnswer["log"];
}) {
  const { name, view, log } = props;
  const cut = countRecords(view.generation?.cut ?? "");
  const position = countRecords(view.position);
  return (
    <details class="cut">
      <summary>
        <span class="cut-name">{name}</span>
        <ShareBar batch={cut} speed={position - cut} behind={view.lag} />
        <span class="cut-figures">
          <b>{formatCount(cut)}</b> ⊕ <b class="speed-word">{formatCount(position - cut)}</b>
          {view.lag > 0 && <span class="busy"> · {formatCount(view.lag)} behind</span>}
        </span>
        <span class="cut-age">
          {view.layers === "speed"
            ? "no generations"
            : view.generation === null
              ? "no generation yet"
              : formatAge(view.generation.createdAt)}
        </span>
      </summary>
      {[view.unready, view.gap].map(
        (reason) =>
          reason !== null && (
            <p class="note bad" key={reason}>
              {reason}
            </p>
          ),
      )}
      <div class="cut-more">
        <Partitions view={view} log={log} />
        <p>
          {view.generation !== null && (
            <>
              Generation <code>{view.generation.id}</code>, {formatCount(view.generation.rows)} rows.{" "}
            </>
          )}
          Tail: {formatCount(view.tail?.entries ?? 0)} states in {view.tail?.segments ?? 0} segments.{" "}
          <a href={hrefOf("explore", name)}>Explore it</a>
        </p>
      </div>
    </details>
  );
}

function Partitions({ view, log }: { readonly view: ViewStatus; readonly log: StatusAnswer["log"] }) {
  const cuts = readNexts(view.generation?.cut ?? "");
  const rows = [...readNexts(view.position)].flatMap(([topic, partitions]) =>
    [...partitions].map(([partition, position]) => {
      const cut = cuts.get(topic)?.get(partition) ?? 0;
      const end = Math.max(position, log[topic]?.nexts[partition] ?? 0);
      return { topic, partition, cut, position, end };
    }),
  );
  const most = Math.max(1, ...rows.map(({ end }) => end));
  return (
    <ul class="partition-cuts">
      {rows.map(({ topic, partition, cut, position, end }) => (
        <li key={`${topic}/${partition}`}>
          <span>
            {topic} <b>{partition}</b>
          </span>
          <ShareBar batch={cut} speed={position - cut} behind={end - position} of={most} />
          <span class="figure">
            {formatCount(cut)} → {formatCount(position)}
          </span>
        </li>
      ))}
    </ul>
  );
}
