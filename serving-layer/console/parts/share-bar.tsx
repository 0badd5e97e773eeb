import { formatCount } from "../figures.ts";

export interface Shares {
  /** What generations hold. */
  readonly batch: number;
  /** What the tail adds. */
  readonly speed: number;
  /** What is in the log and in no answer yet. */
  readonly behind?: number;
  /** How much the whole bar stands for; else these together. */
  readonly of?: number;
}

/** How much is batch and how much is speed; between them the seam. */
export function ShareBar({ batch, speed, behind = 0, of = batch + speed + behind }: Shares) {
  const width = (part: number) => `${of <= 0 ? 0 : (Math.max(0, part) / of) * 100}%`;
  const label = `${formatCount(batch)} from batch, ${formatCount(speed)} from speed${behind > 0 ? `, ${formatCount(behind)} to come` : ""}`;
  return (
    <span class="share" role="img" aria-label={label} title={label}>
      {batch > 0 && <span class="share-batch" style={{ width: width(batch) }} />}
      {speed > 0 && <span class="share-speed" style={{ width: width(speed) }} />}
      {behind > 0 && <span class="share-behind" style={{ width: width(behind) }} />}
    </span>
  );
}

export function ShareLegend({ withBehind = false }: { readonly withBehind?: boolean }) {
  return (
    <span class="legend">
      <span class="swatch batch" /> batch <span class="swatch speed" /> speed
      {withBehind && (
        <>
          {" "}
          <span class="swatch behind" /> to come
        </>
      )}
    </span>
  );
}
