import type { Box } from "./layout.ts";

/** The tail as what it is: a tide that rises with what comes in, and falls when a generation has taken it. */
export function Water({ box, level }: { readonly box: Box; readonly level: number }) {
  const { width, height } = box;
  const top = height - 4 - Math.max(0, Math.min(1, level)) * (height - 40);
  const wave = Array.from({ length: 6 }, () => "q20 -7 40 0 t40 0").join("");
  return (
    <g class="water">
      <clipPath id="tank">
        <rect width={width} height={height} rx="12" />
      </clipPath>
      <g clip-path="url(#tank)">
        <g class="water-level" style={{ transform: `translateY(${top.toFixed(1)}px)` }}>
          <path class="water-wave" d={`M-160 0${wave}V${height + 8}H-160z`} />
        </g>
      </g>
    </g>
  );
}
