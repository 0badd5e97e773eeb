import type { StatusAnswer } from "../answers.ts";
import { formatCount } from "../figures.ts";
import type { Box } from "./layout.ts";

const shownPartitions = 24;

/** How the records of the log lie in its partitions. */
export function PartitionBars({ log, box }: { readonly log: StatusAnswer["log"]; readonly box: Box }) {
  const all = Object.entries(log).flatMap(([topic, { nexts }]) =>
    nexts.map((next, partition) => ({ topic, partition, next })),
  );
  const bars = all.slice(0, shownPartitions);
  const most = Math.max(1, ...bars.map(({ next }) => next));
  const room = box.width - 28;
  const step = Math.min(37, room / Math.max(1, bars.length));
  const tallest = box.height - 96;
  return (
    <g class="partitions" transform={`translate(14 ${box.height - 12})`}>
      {bars.map(({ topic, partition, next }, i) => {
        const tall = Math.max(2, (next / most) * tallest);
        return (
          <rect key={`${topic}/${partition}`} x={i * step} y={-tall} width={step - 3} height={tall} rx="2">
            <title>{`${topic}, partition ${partition}: ${formatCount(next)} records`}</title>
          </rect>
        );
      })}
    </g>
  );
}
