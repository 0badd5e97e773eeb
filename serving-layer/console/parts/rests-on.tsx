import type { Provenance } from "../answers.ts";
import { formatCount } from "../figures.ts";
import { countRecords } from "../positions.ts";

/** What an answer rests on, in words; the offsets themselves for whoever opens it. */
export function RestsOn(props: {
  readonly provenance: Provenance;
  /** Said where an answer is of several. */
  readonly of?: string;
}) {
  const { provenance, of } = props;
  const { layer, generation, cut, position, lag, complete, approximate } = provenance;
  const covered = countRecords(cut);
  const since = countRecords(position) - covered;
  const inexact = Object.entries(approximate ?? {});
  return (
    <details class="rests-on">
      <summary>
        {of !== undefined && <b>{of}: </b>}
        {layer !== "speed" && (
          <span>
            {generation === null ? (
              "No batch generation yet"
            ) : (
              <>
                Batch generation <code>{generation}</code> with [0, cut) = <b>{formatCount(covered)}</b>{" "}
                records
              </>
            )}
          </span>
        )}
        {layer === "merged" && " + "}
        {layer !== "batch" && (
          <span>
            <b>{formatCount(since)}</b> records of tail
          </span>
        )}
        <span class={complete ? "good" : "busy"}>
          {complete
            ? ", complete"
            : lag === 0
              ? ", perhaps incomplete: the log does not answer"
              : `, ${formatCount(lag)} records behind`}
        </span>
      </summary>
      <dl>
        <dt>cut</dt>
        <dd>
          <code>{cut}</code>
        </dd>
        <dt>position</dt>
        <dd>
          <code>{position}</code>
        </dd>
        {inexact.map(([measure, bound]) => (
          <>
            <dt>{measure}</dt>
            <dd>approximate: {bound}</dd>
          </>
        ))}
      </dl>
    </details>
  );
}
