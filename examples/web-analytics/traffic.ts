import { Random } from "./random.ts";
import { busyness, type Site, sites } from "./sites.ts";

export interface Traffic {
  /** The same seed and number of events give the same bytes. */
  readonly seed: number;
  /** How many lines to give: about a week of them, however many there are. */
  readonly events: number;
}

/** A piece of the traffic: whole NDJSON lines, one event each, in order of arrival. */
export interface TrafficLines {
  readonly bytes: Uint8Array;
  readonly events: number;
  /** Of these, the ones whose event time lies before one that had arrived earlier. */
  readonly late: number;
  /** Of these, the ones that had arrived before: a producer that had no answer sent them again. */
  readonly again: number;
  /** The latest event time among all so far, in milliseconds since the epoch. */
  readonly latestTime: number;
}

interface Arrival {
  readonly line: string;
  readonly timeMs: number;
  readonly arrivalMs: number;
  readonly isAgain: boolean;
}

/** A Thursday. On the Sunday after it clocks in Europe are put forward. */
export const firstMs = Date.UTC(2026, 2, 26);
const minuteMs = 60_000;
const eventsAtOnce = 250;
const halfHourMs = 30 * minuteMs;
const dayMs = 48 * halfHourMs;
const weekMinutes = (7 * dayMs) / minuteMs;
/** Measured over a week, with what robots, walls and repetitions add. */
const eventsPerVisit = 4;
const viewsPerCrawl = 60;
const crawlsPerVisit = 0.01;

/**
 * Visits to five sites, each as busy as people are awake where it is at home: readers of whom few come often and most once,
 * robots, and screens on walls that ask for the same page every half hour. Phones send what they have when they are online
 * again, so events arrive late; some arrive twice.
 */
export function* traffic({ seed, events }: Traffic): Generator<TrafficLines> {
  const visits = new Visits(seed, events);
  let [text, count, late, again, latestTime] = ["", 0, 0, 0, 0];
  let left = events;
  for (let minute = 0; left > 0; minute++) {
    // Sorting is stable: of those that arrive at once, the one sent first comes first.
    const arrivals = visits.next(minute).sort((a, b) => a.arrivalMs - b.arrivalMs);
    for (const { line, timeMs, isAgain } of arrivals.slice(0, left)) {
      text += line;
      count++;
      left--;
      if (isAgain) again++;
      if (timeMs < latestTime) late++;
      else latestTime = timeMs;
    }
    if (count < eventsAtOnce && left > 0) continue;
    yield { bytes: Buffer.from(text), events: count, late, again, latestTime };
    [text, count, late, again] = ["", 0, 0, 0];
  }
}

/** Who comes in each minute, and what of that arrives in it. */
class Visits {
  readonly #random: Random;
  readonly #readers: number;
  readonly #visitsPerMinute: number;
  /** When each screen asks next. */
  readonly #walls: number[];
  /** What is on its way, by the minute of its arrival. */
  readonly #underWay = new Map<number, Arrival[]>();
  #busyness: readonly number[] = [];
  #ids = 0;

  constructor(seed: number, events: number) {
    this.#random = new Random(seed);
    this.#readers = Math.max(100, Math.round(events / 12));
    this.#visitsPerMinute = events / eventsPerVisit / weekMinutes;
    const walls = 1 + Math.floor(Math.sqrt(events) / 200);
    this.#walls = Array.from({ length: walls }, (_, wall) => firstMs + wall * 7 * minuteMs);
  }

  /** Called for one minute after the other. */
  next(minute: number): Arrival[] {
    const atMs = firstMs + minute * minuteMs;
    // Zones are whole quarters of an hour apart.
    if (minute % 15 === 0) this.#busyness = sites.map((site) => busyness(site, atMs));
    for (const [i, site] of sites.entries()) {
      const visits = this.#visitsPerMinute * site.share * (this.#busyness[i] ?? 1);
      for (let n = this.#random.arrivals(visits); n > 0; n--) this.#visit(site, this.#within(atMs));
      const crawls = this.#visitsPerMinute * site.share * crawlsPerVisit;
      for (let n = this.#random.arrivals(crawls); n > 0; n--) this.#crawl(site, this.#within(atMs));
    }
    if (minute % (dayMs / minuteMs) === 0) {
      for (const wall of this.#walls.keys()) this.#watch(wall, atMs + dayMs);
    }
    const arrived = this.#underWay.get(minute) ?? [];
    this.#underWay.delete(minute);
    return arrived;
  }

  #within(minuteAtMs: number): number {
    return minuteAtMs + this.#random.below(minuteMs);
  }

  /** A reader reads one page, or goes on. Half a minute on a page, now and then a meal in between. */
  #visit(site: Site, startMs: number): void {
    const random = this.#random;
    const reader = Math.floor(this.#readers * random.next() * random.next());
    const isOnPhone = reader % 3 === 0;
    const agent = isOnPhone ? phones[reader % 2] : desktops[reader % 3];
    const campaign = random.chance(0.2) ? random.pick("spring", "newsletter", "partner") : undefined;
    const views = random.chance(0.42) ? 1 : 2 + random.wait(3.5);
    let timeMs = startMs;
    let path = random.chance(0.5) ? site.paths[0] : random.pick(...site.paths);
    let from: string | undefined = random.pick(undefined, undefined, ...referrers);
    for (let view = 0; view < views; view++) {
      const url = this.#urlOf(site, path, view === 0 ? campaign : undefined);
      const loadMs = random.chance(0.9) ? 80 + random.wait(isOnPhone ? 900 : 300) : undefined;
      const data = { url, visitor: `reader-${reader}`, agent, referrer: from, loadMs };
      this.#send("web.page.viewed", timeMs, data, isOnPhone);
      timeMs += random.chance(0.03) ? random.below(2 * halfHourMs) : random.wait(30_000);
      from = url;
      path = random.pick(...site.paths);
    }
    if (views < 3 || !random.chance(0.2)) return;
    const cents = site.goal === "purchase" ? 500 + random.wait(6_000) : undefined;
    const data = { url: from, visitor: `reader-${reader}`, goal: site.goal, campaign, cents };
    this.#send("web.goal.reached", timeMs, data, isOnPhone);
  }

  #crawl(site: Site, startMs: number): void {
    const random = this.#random;
    const robot = random.below(12);
    const agent = `Mozilla/5.0 (compatible; ${robot % 2 === 0 ? "FinderBot" : "pricebot"}/2.${robot}; +https://robots.example)`;
    let timeMs = startMs;
    for (let left = random.wait(viewsPerCrawl); left >= 0; left--) {
      const url = `https://${site.host}${random.pick(...site.paths)}`;
      this.#send("web.page.viewed", timeMs, { url, visitor: `robot-${robot}`, agent }, false);
      timeMs += 500 + random.wait(4_000);
    }
  }

  /** A screen on a wall: half an hour between two views to the millisecond, or one more, or one less, at midnight too. */
  #watch(wall: number, nextMs: number): void {
    let timeMs = this.#walls[wall] ?? nextMs;
    while (timeMs < nextMs) {
      const data = { url: "https://docs.example.org/status", visitor: `wall-${wall}`, agent: desktops[0] };
      this.#send("web.page.viewed", timeMs, data, false);
      timeMs += halfHourMs + this.#random.pick(-1, 0, 0, 0, 0, 0, 0, 1);
    }
    this.#walls[wall] = timeMs;
  }

  /** As browsers write it, and as some things that are none do. */
  #urlOf({ host }: Site, path: string, campaign: string | undefined): string {
    const random = this.#random;
    const written = random.chance(0.01) ? `${host.toUpperCase()}:443` : host;
    const query = campaign === undefined ? "" : `?utm_campaign=${campaign}`;
    const fragment = random.chance(0.02) ? "#top" : "";
    return `https://${written}${path === "/" && random.chance(0.1) ? "" : path}${query}${fragment}`;
  }

  #send(type: string, timeMs: number, data: object, isOnPhone: boolean): void {
    const random = this.#random;
    const event = {
      id: String(this.#ids++),
      source: "/web",
      type,
      time: new Date(timeMs).toISOString(),
      data,
    };
    const line = `${JSON.stringify(event)}\n`;
    const isOffline = isOnPhone && random.chance(0.06);
    const arrivalMs = timeMs + random.wait(700) + (isOffline ? random.wait(4 * halfHourMs) : 0);
    this.#underWayAt(arrivalMs).push({ line, timeMs, arrivalMs, isAgain: false });
    if (!random.chance(0.006)) return;
    const againMs = arrivalMs + 5_000 + random.wait(minuteMs);
    this.#underWayAt(againMs).push({ line, timeMs, arrivalMs: againMs, isAgain: true });
  }

  #underWayAt(arrivalMs: number): Arrival[] {
    const minute = Math.floor((arrivalMs - firstMs) / minuteMs);
    const arrivals = this.#underWay.get(minute) ?? [];
    this.#underWay.set(minute, arrivals);
    return arrivals;
  }
}

const desktops = [
  "Mozilla/5.0 (X11; Linux x86_64; rv:148.0) Gecko/20100101 Firefox/148.0",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0 Safari/537.36",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_3) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15",
];

const phones = [
  "Mozilla/5.0 (iPhone; CPU iPhone OS 19_3 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Linux; Android 16; Pixel 10) AppleWebKit/537.36 Chrome/146.0 Mobile Safari/537.36",
];

const referrers = [
  "https://www.search.example/?q=shoes",
  "https://www.search.example/",
  "https://news.example.net/2026/03/26/shops",
];
