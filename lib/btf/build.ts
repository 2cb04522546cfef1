/**
 * Writes BTF: for maps and functions that no compiler described, and for tests.
 *
 * Format: include/uapi/linux/btf.h.
 *
 * @module
 */

import { type Btf, BtfError, KIND_NAMES } from "./btf.ts";

/**
 * What follows the three words of a record, by kind: `s` offset of a string, `t` type id, `n` number. In brackets: once
 * for each of vlen elements.
 */
const TAILS = "|n||ttn|(stn)|(stn)|(sn)|||||||(st)|n|(tnn)||n||(snn)".split("|");
/** Kinds whose third word is a type id: ptr, typedef, volatile, const, restrict, func, func_proto, var, both tags. */
const REFERS = 0x67f04;

/**
 * Collects types and writes them as a BTF blob. Each `add` method returns the id of the new type; it may refer to types
 * that come later, by the ids that they will have (see `nextId`).
 *
 * @example
 * ```ts
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder();
 * const int = builder.addInt("int", 4, { signed: true });
 * const next = builder.addPtr(builder.nextId + 1);
 * const list = builder.addStruct("list", 16, [
 *   { name: "next", type: next, bitOffset: 0 },
 *   { name: "value", type: int, bitOffset: 64 },
 * ]);
 * const btf = Btf.parse(builder.build());
 * assertEquals(btf.memberName(list, 1), "value");
 * assertEquals(btf.sizeOrType(next), list);
 * ```
 */
export class BtfBuilder {
  readonly #base: Btf | undefined;
  readonly #words: number[] = [];
  readonly #strings = new Map<string, number>();
  readonly #stringBytes: number[] = [];
  readonly #stringStart: number;
  readonly #copies = new Map<Btf, Map<number, number>>();
  #nextId: number;

  /**
   * A builder without types.
   *
   * @param base What the types will continue, for split BTF.
   */
  constructor(base?: Btf) {
    this.#base = base;
    this.#stringStart = base?.stringEnd ?? 0;
    this.#nextId = base?.endId ?? 1;
    if (!base) this.#stringBytes.push(0);
    this.#strings.set("", 0);
  }

  /** A builder that begins with all types of a BTF, under the same ids. */
  static from(btf: Btf): BtfBuilder {
    const builder = new BtfBuilder(btf.base);
    for (let id = btf.firstId; id < btf.endId; id++) builder.copyOne(btf, id, (type) => type);
    return builder;
  }

  /** The id that the next type will have. */
  get nextId(): number {
    return this.#nextId;
  }

  /** Offset of a string, which is stored once. */
  addString(text: string): number {
    let offset = this.#strings.get(text);
    if (offset === undefined) {
      offset = this.#stringStart + this.#stringBytes.length;
      this.#strings.set(text, offset);
      for (const byte of new TextEncoder().encode(text)) this.#stringBytes.push(byte);
      this.#stringBytes.push(0);
    }
    return offset;
  }

  #record(words: number[]): number {
    for (const word of words) this.#words.push(word);
    return this.#nextId++;
  }

  #add(
    kind: number,
    name: string,
    vlen: number,
    flag: boolean,
    sizeOrType: number,
    tail: number[] = [],
  ): number {
    if (vlen > 0xffff) throw new BtfError(`a ${KIND_NAMES[kind]} cannot have ${vlen} elements`);
    return this.#record([
      this.addString(name),
      kind << 24 | vlen | (flag ? 1 << 31 : 0),
      sizeOrType,
      ...tail,
    ]);
  }

  /**
   * An integer.
   *
   * @param size Bytes.
   * @param encoding `signed`, `char`, `bool`; `bits`: of the value, if fewer than all.
   */
  addInt(
    name: string,
    size: number,
    encoding: { signed?: boolean; char?: boolean; bool?: boolean; bits?: number } = {},
  ): number {
    const flags = (encoding.signed ? 1 : 0) | (encoding.char ? 2 : 0) | (encoding.bool ? 4 : 0);
    return this.#add(1, name, 0, false, size, [flags << 24 | (encoding.bits ?? 8 * size)]);
  }

  /** A pointer; to type 0: `void *`. */
  addPtr(type: number): number {
    return this.#add(2, "", 0, false, type);
  }

  /** An array of `length` elements; `index`: the type that counts them, any int. */
  addArray(element: number, index: number, length: number): number {
    return this.#add(3, "", 0, false, 0, [element, index, length]);
  }

  /** A struct of `size` bytes. Offsets in bits; any `bitfieldSize` makes it one with bitfields. */
  addStruct(
    name: string,
    size: number,
    members: { name: string; type: number; bitOffset: number; bitfieldSize?: number }[],
  ): number {
    return this.#composite(4, name, size, members);
  }

  /** A union of `size` bytes. */
  addUnion(
    name: string,
    size: number,
    members: { name: string; type: number; bitOffset: number; bitfieldSize?: number }[],
  ): number {
    return this.#composite(5, name, size, members);
  }

  #composite(
    kind: number,
    name: string,
    size: number,
    members: { name: string; type: number; bitOffset: number; bitfieldSize?: number }[],
  ): number {
    const flag = members.some((member) => member.bitfieldSize);
    const tail = members.flatMap((m) => [
      this.addString(m.name),
      m.type,
      m.bitOffset | (flag ? (m.bitfieldSize ?? 0) << 24 : 0),
    ]);
    return this.#add(kind, name, members.length, flag, size, tail);
  }

  /** An enum of `size` bytes, 4 at the most. `signed`: whether its values have a sign. */
  addEnum(
    name: string,
    size: number,
    values: { name: string; value: number | bigint }[],
    signed = false,
  ): number {
    const tail = values.flatMap((v) => [this.addString(v.name), Number(BigInt.asIntN(32, BigInt(v.value)))]);
    return this.#add(6, name, values.length, signed, size, tail);
  }

  /** An enum of `size` bytes with values of 64 bits. `signed`: whether they have a sign. */
  addEnum64(
    name: string,
    size: number,
    values: { name: string; value: number | bigint }[],
    signed = false,
  ): number {
    const tail = values.flatMap((v) => {
      const value = BigInt(v.value);
      return [this.addString(v.name), Number(value & 0xffffffffn), Number(value >> 32n & 0xffffffffn)];
    });
    return this.#add(19, name, values.length, signed, size, tail);
  }

  /** A forward declaration of a struct or union. */
  addFwd(name: string, union = false): number {
    return this.#add(7, name, 0, union, 0);
  }

  /** A typedef. */
  addTypedef(name: string, type: number): number {
    return this.#add(8, name, 0, false, type);
  }

  /** `volatile`. */
  addVolatile(type: number): number {
    return this.#add(9, "", 0, false, type);
  }

  /** `const`. */
  addConst(type: number): number {
    return this.#add(10, "", 0, false, type);
  }

  /** `restrict`. */
  addRestrict(type: number): number {
    return this.#add(11, "", 0, false, type);
  }

  /** A function of a prototype. `linkage`: 0 static, 1 global, 2 extern. */
  addFunc(name: string, prototype: number, linkage = 0): number {
    return this.#add(12, name, linkage, false, prototype);
  }

  /** A function prototype; a last parameter without name and of type 0 stands for `...`. */
  addFuncProto(returns: number, params: { name: string; type: number }[]): number {
    return this.#add(
      13,
      "",
      params.length,
      false,
      returns,
      params.flatMap((p) => [this.addString(p.name), p.type]),
    );
  }

  /** A variable. `linkage`: 0 static, 1 global, 2 extern. */
  addVar(name: string, type: number, linkage = 1): number {
    return this.#add(14, name, 0, false, type, [linkage]);
  }

  /** A section of `size` bytes and the ids, offsets and sizes of its variables. */
  addDatasec(
    name: string,
    size: number,
    variables: { type: number; offset: number; size: number }[],
  ): number {
    return this.#add(
      15,
      name,
      variables.length,
      false,
      size,
      variables.flatMap((v) => [v.type, v.offset, v.size]),
    );
  }

  /** A floating point number of `size` bytes. */
  addFloat(name: string, size: number): number {
    return this.#add(16, name, 0, false, size);
  }

  /** A declaration tag of a type, or of its member or parameter number `component`. */
  addDeclTag(tag: string, type: number, component = -1): number {
    return this.#add(17, tag, 0, false, type, [component]);
  }

  /** A type tag. */
  addTypeTag(tag: string, type: number): number {
    return this.#add(18, tag, 0, false, type);
  }

  /**
   * Copies a type of another BTF, and all that it refers to, once each; types of our own base are shared.
   *
   * @returns Its id here.
   */
  copy(btf: Btf, id: number): number {
    let map = this.#copies.get(btf);
    if (!map) this.#copies.set(btf, map = new Map([[0, 0]]));
    const queue: number[] = [];
    const first = this.#nextId;
    const translate = (type: number): number => {
      if (type < (this.#base?.endId ?? 0) && (btf === this.#base || btf.base === this.#base)) return type;
      let copy = map.get(type);
      if (copy === undefined) {
        map.set(type, copy = first + queue.length);
        queue.push(type);
      }
      return copy;
    };
    const copy = translate(id);
    for (let i = 0; i < queue.length; i++) this.copyOne(btf, queue[i]!, translate);
    return copy;
  }

  /**
   * Copies the record of one type of another BTF.
   *
   * @param translate The id here of a type that it refers to.
   * @param keep Which of its members, enumerators or parameters; all if not given.
   * @returns Its id here.
   */
  copyOne(
    btf: Btf,
    id: number,
    translate: (type: number) => number,
    keep: (i: number) => boolean = () => true,
  ): number {
    const kind = btf.kind(id), tail = TAILS[kind];
    if (tail === undefined || !kind) {
      throw new BtfError(`${btf.label}: type ${id} is of unknown kind ${kind}`);
    }
    const one = tail.replace(/[()]/g, ""), each = one !== tail, n = each ? btf.vlen(id) : 1;
    const words = [this.addString(btf.name(id)), btf.word(id, 1), btf.word(id, 2)];
    if (REFERS >> kind & 1) words[2] = translate(words[2]! >>> 0);
    for (let i = 0; i < n; i++) {
      if (each && !keep(i)) {
        words[1]!--; // vlen, the lowest bits
        continue;
      }
      for (let k = 0; k < one.length; k++) {
        const word = btf.word(id, 3 + i * one.length + k), field = one[k];
        words.push(
          field === "s"
            ? this.addString(btf.string(word >>> 0))
            : field === "t"
            ? translate(word >>> 0)
            : word,
        );
      }
    }
    return this.#record(words);
  }

  /**
   * The types so far as a BTF blob.
   *
   * @param littleEndian Its byte order.
   */
  build(littleEndian = true): Uint8Array<ArrayBuffer> {
    const types = 4 * this.#words.length, bytes = new Uint8Array(24 + types + this.#stringBytes.length);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, 0xeb9f, littleEndian);
    bytes[2] = 1;
    [24, 0, types, types, this.#stringBytes.length, ...this.#words].forEach((word, i) =>
      view.setUint32(4 + 4 * i, word, littleEndian)
    );
    bytes.set(this.#stringBytes, 24 + types);
    return bytes;
  }
}
