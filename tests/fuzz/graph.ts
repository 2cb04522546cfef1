/**
 * Well-formed BTF whose types refer to each other at random: cycles, wrong kinds, endless nesting, which damage to the
 * bytes of sane types hardly ever makes.
 *
 * @module
 */

import type { Random } from "./mutate.ts";

const NAMES = ["", "", "a", "b", "c", "a___x", "b___y", "int", "long", "___", "a____b"];
const STRINGS = new TextEncoder().encode(NAMES.map((name) => name + "\0").join("").slice(1));

/** A blob of up to `most` types; records are whole, and references point to ids that exist, or nearly. */
export function randomBtf(random: Random, most: number): Uint8Array<ArrayBuffer> {
  const words: number[] = [], count = 1 + random.below(most);
  const name = () => random.below(STRINGS.length);
  const id = () => random.below(count + (random.below(20) ? 1 : 3));
  // Nothing here is far from anything: most pointers and members go to the few first types, which makes knots.
  const near = () => random.below(3) ? id() : 1 + random.below(Math.min(count, 4));
  for (let n = 0; n < count; n++) {
    const kind = random.of([
      1,
      2,
      2,
      3,
      4,
      4,
      4,
      4,
      5,
      5,
      5,
      6,
      7,
      8,
      8,
      9,
      10,
      11,
      12,
      13,
      13,
      14,
      15,
      16,
      17,
      18,
      19,
    ]);
    const parts = random.below(random.of([2, 4, 9])), flag = random.below(4) === 0;
    const record = (vlen: number, third: number, ...tail: number[]) =>
      words.push(name(), vlen | kind << 24 | (flag ? 1 << 31 : 0), third, ...tail);
    const tail = (each: () => number[]) => Array.from({ length: parts }, each).flat();
    const rare = (value: number) => random.below(40) ? value : random.word();
    const size = () => rare(random.of([0, 1, 2, 4, 8, 16]));
    switch (kind) {
      case 1:
        record(0, size(), random.below(2) ? random.word() : size() * 8 & 255);
        break;
      case 3:
        record(0, 0, near(), near(), rare(random.below(4)));
        break;
      case 4:
      case 5:
        record(
          parts,
          size(),
          ...tail(() => [name(), near(), rare(8 * random.below(20))]),
        );
        break;
      case 6:
        record(parts, size(), ...tail(() => [name(), random.word()]));
        break;
      case 13:
        record(parts, near(), ...tail(() => [name(), near()]));
        break;
      case 15:
        record(parts, size(), ...tail(() => [near(), size(), size()]));
        break;
      case 16:
        record(0, size());
        break;
      case 19:
        record(parts, size(), ...tail(() => [name(), random.word(), random.word()]));
        break;
      default:
        record(
          kind === 12 ? random.below(3) : 0,
          near(),
          ...kind === 14 || kind === 17 ? [random.below(3)] : [],
        );
    }
  }
  const types = Uint32Array.from([
    0x0001eb9f,
    24,
    0,
    words.length * 4,
    words.length * 4,
    STRINGS.length,
    ...words,
  ]);
  const out = new Uint8Array(types.byteLength + STRINGS.length);
  new Uint8Array(out.buffer).set(new Uint8Array(types.buffer)), out.set(STRINGS, types.byteLength);
  return out;
}
