/** A host and what is known of its readers. */
export interface Site {
  readonly host: string;
  /** Where most of them live. */
  readonly zone: string;
  /** Its share of all visits; they sum to 1. */
  readonly share: number;
  readonly paths: readonly [string, ...string[]];
  /** What can be reached there. */
  readonly goal: "purchase" | "signup";
}

export const sites: readonly Site[] = [
  {
    host: "shop.example.com",
    zone: "America/New_York",
    share: 0.36,
    paths: ["/", "/shoes", "/shoes/trail-runner", "/coats", "/coats/wax", "/sale", "/cart", "/help/returns"],
    goal: "purchase",
  },
  {
    host: "laden.example.de",
    zone: "Europe/Berlin",
    share: 0.24,
    paths: ["/", "/schuhe", "/m%C3%A4ntel", "/angebote", "/warenkorb", "/über-uns"],
    goal: "purchase",
  },
  {
    host: "mise.example.jp",
    zone: "Asia/Tokyo",
    share: 0.18,
    paths: ["/", "/靴", "/コート", "/セール", "/cart"],
    goal: "purchase",
  },
  {
    host: "dukan.example.in",
    zone: "Asia/Kolkata",
    share: 0.14,
    paths: ["/", "/shoes", "/saris", "/sale", "/cart"],
    goal: "purchase",
  },
  {
    host: "docs.example.org",
    zone: "UTC",
    share: 0.08,
    paths: ["/", "/start", "/views", "/views/sessions", "/api", "/status"],
    goal: "signup",
  },
];

/** Of the visits of a day, relative to the mean hour, by the hour that the clock shows where the site is at home. */
const rhythm = [
  ...[0.5, 0.28, 0.17, 0.12, 0.11, 0.17, 0.38, 0.7, 0.95, 1.1, 1.18, 1.22],
  ...[1.35, 1.25, 1.12, 1.08, 1.1, 1.2, 1.38, 1.6, 1.85, 1.9, 1.55, 0.94],
];

const clocks = new Map(
  sites.map(({ zone }) => [
    zone,
    new Intl.DateTimeFormat("en-US", { timeZone: zone, hour: "numeric", hourCycle: "h23" }),
  ]),
);

/** How busy a site is at this time; 1 on average. */
export function busyness({ zone }: Site, timeMs: number): number {
  return rhythm[Number(clocks.get(zone)?.format(timeMs))] ?? 1;
}
