import { formatCount, formatShort } from "../figures.ts";
import type { Sample } from "../status.ts";

const width = 1_000;
const height = 120;

/** Records in the tail over the last minutes. A cut that moved is a line: there the tide went out. */
export function TideChart({ samples }: { readonly samples: readonly Sample[] }) {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined) return null;
  const spanMs = Math.max(60_000, last.at - first.at);
  const highest = Math.max(1, ...samples.map(tailOf));
  const x = ({ at }: Sample) => width - ((last.at - at) / spanMs) * width;
  const y = (sample: Sample) => height - (tailOf(sample) / highest) * (height - 14);
  const points = samples.map((sample) => `${x(sample).toFixed(1)} ${y(sample).toFixed(1)}`);
  const cuts = samples.filter(({ cut }, i) => i > 0 && cut > (samples[i - 1]?.cut ?? cut));
  const minutes = Math.round(spanMs / 60_000);
  return (
    <figure class="tide">
      <figcaption>
        <h2>The tide</h2>
        <span>
          records in the tail, the last {minutes === 1 ? "minute" : `${minutes} minutes`}; highest{" "}
          {formatShort(highest)}
          {cuts.length > 0 && <span class="seam-word"> · a line where the cut moved</span>}
        </span>
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`The tail has ${formatCount(tailOf(last))} records; the highest was ${formatCount(highest)}`}
      >
        <path
          class="tide-area"
          d={`M${x(first).toFixed(1)} ${height}L${points.join("L")}L${width} ${height}z`}
        />
        <path class="tide-line" d={`M${points.join("L")}`} vector-effect="non-scaling-stroke" />
        {cuts.map((sample) => (
          <path
            key={sample.at}
            class="tide-cut"
            d={`M${x(sample).toFixed(1)} 0V${height}`}
            vector-effect="non-scaling-stroke"
          />
        ))}
      </svg>
    </figure>
  );
}

function tailOf({ folded, cut }: Sample): number {
  return Math.max(0, folded - cut);
}
