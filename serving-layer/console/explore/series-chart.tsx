import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { formatShort, formatValue } from "../figures.ts";
import { useStore } from "../store.ts";
import { colourOf, colours } from "../theme.ts";
import type { Series } from "./series.ts";
import { stepOf, tickTexts } from "./time-axis.ts";

const strokes = ["--batch", "--speed", "--series-4", "--series-3", "--series-5", "--series-6"];

/** Values over time; a stretch that is drawn over is looked at more closely. */
export function SeriesChart(props: {
  readonly series: Series;
  readonly name: string;
  readonly zoom: (from: number, to: number) => void;
}) {
  const { series, name, zoom } = props;
  const element = useRef<HTMLDivElement>(null);
  const zoomed = useRef(zoom);
  zoomed.current = zoom;
  const colour = useStore(colours);
  useEffect(() => {
    const target = element.current;
    if (target === null) return;
    const chart = new uPlot(optionsOf(series, target.clientWidth, zoomed), dataOf(series), target);
    const resize = new ResizeObserver(() =>
      chart.setSize({ width: target.clientWidth, height: chart.height }),
    );
    resize.observe(target);
    return () => {
      resize.disconnect();
      chart.destroy();
    };
  }, [series, colour]);
  return (
    <div
      class="chart"
      ref={element}
      role="img"
      aria-label={`${name} over ${series.times.length} moments; the table below has the values`}
    />
  );
}

function dataOf({ times, lines }: Series): uPlot.AlignedData {
  return [[...times], ...lines.map(({ values }) => [...values])];
}

function optionsOf(
  { kind, lines, times }: Series,
  width: number,
  zoomed: { readonly current: (from: number, to: number) => void },
): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: colourOf("--ink-soft"),
    grid: { stroke: colourOf("--line"), width: 1 },
    ticks: { stroke: colourOf("--line"), width: 1 },
    font: "12px system-ui, sans-serif",
  };
  const isBars = kind === "stacked" && times.length <= 400;
  const paths = isBars ? uPlot.paths.bars?.({ size: [0.8, 40, 1] }) : undefined;
  // Half of the first bar and of the last one would be outside.
  const margin = isBars ? stepOf(times) / 2 : 0;
  return {
    width,
    height: 280,
    // Times are shown as the server has them.
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), "Etc/UTC"),
    scales: {
      x: { range: (_, min, max) => [min - margin, max + margin] },
      y: { range: (_, min, max) => [Math.min(0, min), max <= 0 ? 1 : max * 1.06] },
    },
    cursor: { drag: { x: true, y: false, setScale: false } },
    axes: [
      { ...axis, values: (_, ticks, _axis, _space, increment) => tickTexts(ticks, increment) },
      { ...axis, size: 62, values: (_, ticks) => ticks.map((tick) => formatShort(tick)) },
    ],
    series: [
      { label: "time", value: "{YYYY}-{MM}-{DD} {HH}:{mm}" },
      ...lines.map(({ label }, i): uPlot.Series => {
        const colour = colourOf(
          kind === "stacked" ? (i === 0 ? "--speed" : "--batch") : (strokes[i] ?? "--ink"),
        );
        return {
          label,
          stroke: colour,
          width: isBars ? 0 : 2,
          ...(kind === "stacked" && { fill: colour }),
          ...(paths && { paths }),
          points: { show: false },
          value: (_, value) => formatValue(value),
        };
      }),
    ],
    hooks: {
      setSelect: [
        (chart) => {
          if (chart.select.width < 4) return;
          const from = times.find((time) => time >= chart.posToVal(chart.select.left, "x"));
          const to = times.find((time) => time > chart.posToVal(chart.select.left + chart.select.width, "x"));
          const end = to ?? Number.POSITIVE_INFINITY;
          if (from !== undefined && end > from) zoomed.current(from, end);
        },
      ],
    },
  };
}
