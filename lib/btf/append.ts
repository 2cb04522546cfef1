/**
 * Puts types and strings behind those of a BTF. Nothing moves: instructions, line records and relocations name types by id
 * and strings by offset.
 *
 * @module
 */

import type { Btf } from "./btf.ts";

const ENCODER = new TextEncoder();

/**
 * A BTF that grows.
 *
 * @example
 * ```ts
 * import { BtfAppender } from "detrace/lib/btf/append.ts";
 * import { Btf, BTF_KIND_PTR } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder();
 * const int = builder.addInt("int", 4, { signed: true });
 * const appender = new BtfAppender(Btf.parse(builder.build()));
 * const pointer = appender.addType(0, BTF_KIND_PTR << 24, int);
 * const btf = Btf.parse(appender.build());
 * assertEquals([btf.name(int), btf.kind(pointer), btf.sizeOrType(pointer)], ["int", BTF_KIND_PTR, int]);
 * ```
 */
export class BtfAppender {
  /** The records of the BTF's own types, a copy: it may be changed where the records keep their lengths. */
  readonly types: Uint8Array<ArrayBuffer>;
  readonly #btf: Btf;
  readonly #header: DataView;
  readonly #words: number[] = [];
  readonly #strings: number[] = [];
  #nextId: number;

  /** Begins with a BTF as it is. */
  constructor(btf: Btf) {
    this.#btf = btf;
    this.#header = new DataView(btf.bytes.buffer, btf.bytes.byteOffset);
    this.#nextId = btf.endId;
    const start = this.start;
    this.types = btf.bytes.slice(start, start + this.#u32(12));
  }

  #u32(at: number): number {
    return this.#header.getUint32(at, this.#btf.littleEndian);
  }

  /** Where {@link types} begin in the BTF's bytes. */
  get start(): number {
    return this.#u32(4) + this.#u32(8);
  }

  /** Adds a string. @returns Its offset. */
  addString(text: string): number {
    const offset = this.#btf.stringEnd + this.#strings.length;
    this.#strings.push(...ENCODER.encode(text + "\0"));
    return offset;
  }

  /** Adds a type by the words of its record. @returns Its id. */
  addType(...words: number[]): number {
    for (const word of words) this.#words.push(word);
    return this.#nextId++;
  }

  /** The whole. The header is that of 24 bytes: older kernels know no layout section. */
  build(): Uint8Array<ArrayBuffer> {
    const { bytes, littleEndian } = this.#btf, { types } = this;
    const at = this.#u32(4) + this.#u32(16), strings = bytes.subarray(at, at + this.#u32(20));
    const length = types.length + 4 * this.#words.length;
    const all = new Uint8Array(24 + length + strings.length + this.#strings.length);
    const view = new DataView(all.buffer);
    all.set(bytes.subarray(0, 4));
    [24, 0, length, length, all.length - 24 - length].forEach((word, i) =>
      view.setUint32(4 + 4 * i, word, littleEndian)
    );
    all.set(types, 24);
    this.#words.forEach((word, i) => view.setUint32(24 + types.length + 4 * i, word, littleEndian));
    all.set(strings, 24 + length);
    all.set(this.#strings, 24 + length + strings.length);
    return all;
  }
}
