/** Decimals by their digits, as JSON shows them. Shares no code with `views/`. */

export interface Units {
  readonly units: bigint;
  /** Half a unit is left over: as a double the number may lie on either side of the tie. */
  readonly isTie: boolean;
}

/** The number in whole units of 10^-scale, rounded half up. */
export function unitsOf(x: number, scale: number): Units {
  const [, sign, whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(x)) ?? [];
  const digits = BigInt(`${sign}${whole}${fraction}`);
  const shift = Number(exponent) - fraction.length + scale;
  if (shift >= 0) return { units: digits * 10n ** BigInt(shift), isTie: false };
  const perUnit = 10n ** BigInt(-shift);
  const twice = 2n * digits + perUnit;
  const rest = ((twice % (2n * perUnit)) + 2n * perUnit) % (2n * perUnit);
  return { units: (twice - rest) / (2n * perUnit), isTie: rest === 0n };
}

/** The nearest double of so many units. */
export function decimalOf(units: bigint, scale: number): number {
  return Number(`${units}e-${scale}`);
}
