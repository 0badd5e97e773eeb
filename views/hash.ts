/** Drawn for each thread, so that nobody can choose keys that all fall into one bucket. */
const seed = Math.floor(Math.random() * 2 ** 32);
const factor = Math.floor(Math.random() * 2 ** 31) * 2 + 1;

/** Of a text's UTF-16 units: FNV-1a with a factor of its own (http://www.isthe.com/chongo/tech/comp/fnv), then mixed as MurmurHash3 does. */
export function hashOf(text: string): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), factor);
  return mixed(hash);
}

/** The same of the bytes `[from, to)`. */
export function hashOfBytes(bytes: Uint8Array, from: number, to: number): number {
  let hash = seed;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ (bytes[i] as number), factor);
  return mixed(hash);
}

/** Of what has that hash together with a whole number of up to 53 bits. */
export function hashWith(hash: number, number: number): number {
  hash = Math.imul(hash ^ (number | 0), factor);
  return mixed(Math.imul(hash ^ ((number / 2 ** 32) | 0), factor));
}

function mixed(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
