/**
 * Damages bytes the way files are damaged by accident and on purpose, the same way every time for the same numbers.
 *
 * @module
 */

/** A small deterministic source of numbers (mulberry32). */
export class Random {
  #state: number;

  constructor(...seeds: number[]) {
    this.#state = 0;
    for (const seed of seeds) this.#state = Math.imul(this.#state ^ seed, 0x9e3779b1) + 0x7f4a7c15 | 0;
  }

  /** 32 bits. */
  word(): number {
    this.#state = this.#state + 0x6d2b79f5 | 0;
    let t = Math.imul(this.#state ^ this.#state >>> 15, this.#state | 1);
    t ^= t + Math.imul(t ^ t >>> 7, t | 61);
    return (t ^ t >>> 14) >>> 0;
  }

  /** 0 to n - 1; 0 for n = 0. */
  below(n: number): number {
    return n > 0 ? this.word() % n : 0;
  }

  /** One of the list, which must not be empty. */
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** Numbers at which 32- and 64-bit arithmetic goes wrong; `n` is the length of the file. */
function extreme(random: Random, n: number): bigint {
  const near = random.below(17) - 8;
  return random.of([
    BigInt(random.below(64)),
    BigInt(random.below(n)),
    BigInt(n + near),
    BigInt(near),
    1n << BigInt(random.below(64)),
    (1n << BigInt(random.below(65))) + BigInt(near),
    0x7fffffffn,
    0xffffffffn,
    (1n << 53n) - 1n,
    -1n,
  ]);
}

function splice(
  bytes: Uint8Array,
  at: number,
  removed: number,
  inserted: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const head = bytes.subarray(0, at), tail = bytes.subarray(at + removed);
  const out = new Uint8Array(head.length + inserted.length + tail.length);
  out.set(head), out.set(inserted, head.length), out.set(tail, head.length + inserted.length);
  return out;
}

/** A damaged copy of the seed: one to six damages. */
export function mutate(seed: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  let bytes = seed.slice() as Uint8Array<ArrayBuffer>;
  for (let i = 1 + random.below(6); i > 0; i--) {
    const n = bytes.length, view = new DataView(bytes.buffer);
    const at = random.below(n), length = Math.min(1 + random.below(random.of([8, 64, 1024])), n - at);
    const littleEndian = random.below(8) > 0;
    switch (random.below(10)) {
      case 0: // a bit
      case 1:
        if (n) bytes[at]! ^= 1 << random.below(8);
        break;
      case 2: // a byte
        if (n) bytes[at] = random.word();
        break;
      case 3: // a number of 32 bits
      case 4:
      case 5:
        if (n >= 4) {
          view.setUint32(
            Math.min(at & ~3, n - 4),
            Number(BigInt.asUintN(32, extreme(random, n))),
            littleEndian,
          );
        }
        break;
      case 6: // a number of 64 bits
        if (n >= 8) {
          view.setBigUint64(Math.min(at & ~7, n - 8), BigInt.asUintN(64, extreme(random, n)), littleEndian);
        }
        break;
      case 7: // a part goes over another
        bytes.copyWithin(at, random.below(n), random.below(n) + length);
        break;
      case 8: // a part is lost or doubled
        bytes = random.below(2)
          ? splice(bytes, at, length, new Uint8Array())
          : splice(bytes, at, 0, bytes.slice(at, at + length));
        break;
      case 9: // the end is lost, rarely: nothing of it is read then
        if (random.below(4) === 0) bytes = bytes.slice(0, at);
        else bytes.fill(random.of([0, 1, 255]), at, at + length);
    }
  }
  return bytes;
}
