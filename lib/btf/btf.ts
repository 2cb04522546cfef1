/**
 * BTF, the BPF Type Format: reads the bytes where they lie and answers questions about types by their ids. The
 * kernel's own BTF has over 100,000 types, so nothing is decoded before it is asked for.
 *
 * Format: include/uapi/linux/btf.h, Documentation/bpf/btf.rst.
 *
 * @module
 */

import { DetraceError } from "../error.ts";

/** `void`: type id 0, which has no record. */
export const BTF_KIND_UNKN = 0;
/** Integer, `bool` and `char` too. */
export const BTF_KIND_INT = 1;
/** Pointer. */
export const BTF_KIND_PTR = 2;
/** Array. */
export const BTF_KIND_ARRAY = 3;
/** Struct. */
export const BTF_KIND_STRUCT = 4;
/** Union. */
export const BTF_KIND_UNION = 5;
/** Enumeration of up to 32 bits. */
export const BTF_KIND_ENUM = 6;
/** Forward declaration of a struct, or, with the kind flag, of a union. */
export const BTF_KIND_FWD = 7;
/** Typedef. */
export const BTF_KIND_TYPEDEF = 8;
/** `volatile`. */
export const BTF_KIND_VOLATILE = 9;
/** `const`. */
export const BTF_KIND_CONST = 10;
/** `restrict`. */
export const BTF_KIND_RESTRICT = 11;
/** Function: a name for a prototype. */
export const BTF_KIND_FUNC = 12;
/** Function prototype. */
export const BTF_KIND_FUNC_PROTO = 13;
/** Variable. */
export const BTF_KIND_VAR = 14;
/** ELF section with its variables. */
export const BTF_KIND_DATASEC = 15;
/** Floating point. */
export const BTF_KIND_FLOAT = 16;
/** `btf_decl_tag` attribute of a type, member, parameter or variable. */
export const BTF_KIND_DECL_TAG = 17;
/** `btf_type_tag` attribute of what a pointer leads to. */
export const BTF_KIND_TYPE_TAG = 18;
/** Enumeration of 64 bits. */
export const BTF_KIND_ENUM64 = 19;

/** Kind names in lower case, as `bpftool btf dump` writes them; the index is the kind's number. */
export const KIND_NAMES: readonly string[] =
  ("void int ptr array struct union enum fwd typedef volatile const restrict func func_proto var datasec float " +
    "decl_tag type_tag enum64").split(" ");

/** Damaged or unsupported BTF, or a type id that does not exist. */
export class BtfError extends DetraceError {
  /** Always `BtfError`. */
  override readonly name: string = "BtfError";
}

/**
 * The name without its flavor: what stands before the last `___` that has a non-underscore on both sides.
 *
 * @example
 * ```ts
 * import { essentialName } from "detrace/lib/btf/btf.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(essentialName("task_struct___v5"), "task_struct");
 * assertEquals(essentialName("a____b"), "a____b");
 * ```
 */
export function essentialName(name: string): string {
  return name.includes("___") ? /^(.*[^_])___[^_]/s.exec(name)?.[1] ?? name : name;
}

const DECODER = new TextDecoder(), ENCODER = new TextEncoder();
const MAGIC = 0xeb9f;
/** Word offset of `void`: beyond any words, so that it reads as zeros. */
const NOWHERE = 0x3fffffff;
/** Up to so many names it is cheaper to search for each. */
const FEW = 6;
/** Longest chain of modifiers, typedefs and arrays that is followed, so that a cycle ends. */
const MAX_DEPTH = 64;

const STRUCTS = 1 << BTF_KIND_STRUCT | 1 << BTF_KIND_UNION;
const ENUMS = 1 << BTF_KIND_ENUM | 1 << BTF_KIND_ENUM64;
/** The kinds that findEssential answers with. */
const TYPES = STRUCTS | ENUMS | 1 << BTF_KIND_INT | 1 << BTF_KIND_FWD | 1 << BTF_KIND_TYPEDEF |
  1 << BTF_KIND_FLOAT;
/** The kinds whose third word is a size. */
const SIZED = STRUCTS | ENUMS | 1 << BTF_KIND_INT | 1 << BTF_KIND_FLOAT | 1 << BTF_KIND_DATASEC;
const MODIFIERS = 1 << BTF_KIND_VOLATILE | 1 << BTF_KIND_CONST | 1 << BTF_KIND_RESTRICT |
  1 << BTF_KIND_TYPE_TAG;
const TYPEDEF = 1 << BTF_KIND_TYPEDEF;

/**
 * Record sizes by kind: bits 0 to 5, words for each of vlen elements; from bit 6 on, words for the record itself. Kinds unknown to us come from the layout section (struct btf_layout: u8 bytes after the
 * record, u8 bytes an element, u16 flags); a kind that is not there gets a size beyond any words.
 */
function recordSizes(layout: Uint8Array): Int32Array {
  const sizes = new Int32Array(128).fill(NOWHERE);
  for (let kind = 1; kind < 128; kind++) {
    const once = kind < 20 ? 4 * +"01030000000000100100"[kind]! : layout[4 * kind];
    const each = kind < 20 ? 4 * +"00003320000002030003"[kind]! : layout[4 * kind + 1]!;
    if (once !== undefined && (once | each) % 4 === 0) {
      sizes[kind] = 3 + once / 4 << 6 | each / 4;
    }
  }
  return sizes;
}

/**
 * Fills `at`, from index `id` on, with the word offset of every record. Returns one past the last index, and where the
 * last record ends.
 *
 * The whole cost of parsing is this loop, most of it before V8 has compiled it. So it is a function of its own, and
 * as short as can be: V8 waits longer with longer functions.
 */
function index(words: Int32Array, at: Int32Array, id: number, sizes: Int32Array): [number, number] {
  const n = words.length;
  let w = 0;
  while (w < n) {
    const info = words[w + 1]!, size = sizes[info >>> 24 & 127]!;
    at[id++] = w;
    w += (size >> 6) + (size & 63) * (info & 0xffffff);
  }
  return [id, w];
}

/** A character for every byte. For names that are ASCII, as compilers write them, the text itself. */
function byteString(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return text;
}

/**
 * The types of one BTF blob, and, for split BTF, of the base that it continues.
 *
 * Ids out of range and references to types that do not exist throw {@linkcode BtfError} when they are followed.
 *
 * @example
 * ```ts
 * import { Btf, BTF_KIND_INT } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder();
 * const int = builder.addInt("int", 4, { signed: true });
 * builder.addTypedef("pid_t", int);
 * const btf = Btf.parse(builder.build());
 * assertEquals(btf.find("int", BTF_KIND_INT), int);
 * assertEquals(btf.sizeOf(btf.find("pid_t")!), 4);
 * ```
 */
export class Btf {
  /** The blob, not copied: it must not change or go away. */
  readonly bytes: Uint8Array;
  /** What this split BTF continues. */
  readonly base: Btf | undefined;
  /** What errors call it: the `name` given to parse. */
  readonly label: string;
  /** Byte order of the blob. */
  readonly littleEndian: boolean;
  /** First id of its own: 1, or the base's `endId`. */
  readonly firstId: number;
  /** One past the last id. Ids run from 0 (`void`) to here, the base's included. */
  readonly endId: number;

  /** The types section in the host's byte order. */
  readonly #words: Int32Array;
  /** Where in the blob it begins. */
  readonly #typesAt: number;
  readonly #strings: Uint8Array;
  /** Offset of the first own string. */
  readonly #stringStart: number;
  /** Id of #at[0]: 0, or the base's endId. */
  readonly #first: number;
  /** Offset in #words by id. */
  readonly #at: Int32Array;
  /** See recordSizes; a split BTF without a layout section has its base's. */
  readonly #sizes: Int32Array;
  #pointerSize: 4 | 8 | undefined;

  /**
   * Checks the header and the bounds of all records, which takes 4 ms for a kernel's 5 MB.
   *
   * @param bytes Raw BTF of either byte order: a `.BTF` section, or a file in `/sys/kernel/btf`.
   * @param options `base`: what a split BTF continues. `name`: what errors call it. `pointerSize`: in bytes, if known.
   * @throws {BtfError} if it is damaged, or has a kind unknown to us and no description of its layout.
   */
  static parse(bytes: Uint8Array, options: { base?: Btf; name?: string; pointerSize?: 4 | 8 } = {}): Btf {
    return new Btf(bytes, options.base, options.name ?? "BTF", options.pointerSize);
  }

  private constructor(
    bytes: Uint8Array,
    base: Btf | undefined,
    name: string,
    pointerSize: 4 | 8 | undefined,
  ) {
    const bad = (what: string): never => {
      throw new BtfError(`${name} is damaged: ${what}`);
    };
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes.length < 24) bad(`${bytes.length} bytes are too few for a header`);
    const little = view.getUint16(0, true) === MAGIC;
    if (!little && view.getUint16(0) !== MAGIC) bad("it does not start with BTF's magic number");
    if (bytes[2] !== 1) throw new BtfError(`${name} has version ${bytes[2]}, known is only 1`);
    const u32 = (at: number) => view.getUint32(at, little);
    const header = u32(4); // a newer kernel's may have more fields, which are passed over
    if (header < 24 || header > bytes.length) bad(`its header is ${header} bytes long`);
    const section = (field: number, what: string, align: number): Uint8Array => {
      const offset = u32(field), length = u32(field + 4);
      if (offset % align || length % align) bad(`the ${what} section is not aligned`);
      if (header + offset + length > bytes.length) bad(`the ${what} section runs past the end`);
      return bytes.subarray(header + offset, header + offset + length);
    };
    const types = section(8, "types", 4), strings = section(16, "strings", 1);
    const layout = header < 32 ? bytes.subarray(0, 0) : section(24, "layout", 4);
    // So that the size of an unknown kind leads out of any; the kernel itself takes 16 MB.
    if (types.length >= 1 << 25) bad("the types section is too large");
    if (u32(8) < u32(16) + u32(20) && u32(16) < u32(8) + u32(12)) bad("types and strings overlap");
    if ((!base && (!strings.length || strings[0])) || strings.at(-1)) {
      bad("the strings section must start and end with a zero byte");
    }

    this.bytes = bytes;
    this.base = base;
    this.label = name;
    this.littleEndian = little;
    this.#pointerSize = pointerSize;
    this.#typesAt = header + u32(8);
    this.#strings = strings;
    this.#stringStart = base ? base.stringEnd : 0;

    const hostOrder = (new Uint8Array(Uint16Array.of(1).buffer)[0] === 1) === little;
    const n = types.length / 4;
    let words: Int32Array;
    if (hostOrder) {
      const aligned = types.byteOffset % 4 ? types.slice() : types;
      words = new Int32Array(aligned.buffer, aligned.byteOffset, n);
    } else {
      words = new Int32Array(n);
      const view = new DataView(types.buffer, types.byteOffset, types.length);
      for (let i = 0; i < n; i++) words[i] = view.getInt32(4 * i, little);
    }
    this.#words = words;

    // No more records than this; pages that are never written cost nothing.
    const at = new Int32Array(n / 3 + 2);
    if (!base) at[0] = NOWHERE;
    this.#sizes = base && !layout.length ? base.#sizes : recordSizes(layout);
    const [ids, end] = index(words, at, base ? 0 : 1, this.#sizes);
    this.#first = base ? base.endId : 0;
    this.firstId = base ? base.endId : 1;
    this.endId = this.#first + ids;
    this.#at = at;
    if (end !== n) {
      const kind = this.kind(this.endId - 1);
      if (!kind || kind > 19) {
        throw new BtfError(`${name} has a type of kind ${kind}, which is unknown to us`);
      }
      bad("its last type runs past the end of the types section");
    }
  }

  /** Size of a pointer in bytes: as given to parse, else the base's, else that of `long` in any spelling, else 8. */
  get pointerSize(): 4 | 8 {
    this.#pointerSize ??= this.base?.pointerSize;
    for (let id = this.firstId; !this.#pointerSize && id < this.endId; id++) {
      if (
        this.kind(id) === BTF_KIND_INT &&
        /^ *long *$/.test(this.name(id).replace(/\b(un)?signed\b|\bint\b/g, ""))
      ) {
        this.#pointerSize = this.sizeOrType(id) === 4 ? 4 : 8;
      }
    }
    return this.#pointerSize ??= 8;
  }

  /** The string at an offset: offset 0 is the empty string, split BTF's own strings follow its base's. */
  string(offset: number): string {
    const { strings, at } = this.#locate(offset);
    return DECODER.decode(strings.subarray(at, strings.indexOf(0, at)));
  }

  /** One past the last string offset: where the strings of a split BTF on this one begin. */
  get stringEnd(): number {
    return this.#stringStart + this.#strings.length;
  }

  /** Where in `bytes` the record of an own type begins. */
  offsetOf(id: number): number {
    const at = id < this.firstId ? undefined : this.#at[id - this.#first];
    if (at === undefined || id >= this.endId) {
      throw new BtfError(`${this.label} has no type ${id} of its own`);
    }
    return this.#typesAt + 4 * at;
  }

  /** Whether the string at an offset is this one, given in UTF-8: much cheaper than {@linkcode Btf.string}. */
  stringIs(offset: number, wanted: Uint8Array): boolean {
    const { strings, at } = this.#locate(offset), n = wanted.length;
    for (let i = 0; i < n; i++) if (strings[at + i] !== wanted[i]) return false;
    return strings[at + n] === 0;
  }

  #locate(offset: number): { strings: Uint8Array; at: number } {
    // deno-lint-ignore no-this-alias
    let btf: Btf = this;
    while (offset < btf.#stringStart) btf = btf.base!;
    const at = offset - btf.#stringStart;
    if (!(at >= 0 && at < btf.#strings.length)) {
      throw new BtfError(`${this.label} is damaged: there is no string at offset ${offset}`);
    }
    return { strings: btf.#strings, at };
  }

  /**
   * Raw word `k` of the record of a type, as a signed number: 0 name offset, 1 info, 2 size or type, then what the kind
   * adds. Reads on into the next record.
   */
  word(id: number, k: number): number {
    if (!(id >= 0 && id < this.endId)) {
      throw new BtfError(`${this.label} has no type ${id}: its last is ${this.endId - 1}`);
    }
    // deno-lint-ignore no-this-alias
    let btf: Btf = this;
    while (id < btf.#first) btf = btf.base!;
    return btf.#words[btf.#at[id - btf.#first]! + k]! | 0;
  }

  /** Word `k` of element `i`, of `size` words, behind the record of a type whose kind must be among `kinds`. */
  #part(id: number, kinds: number, i: number, size: number, k: number): number {
    const info = this.word(id, 1), kind = info >>> 24 & 127;
    if (kind > 19 || !(kinds >> kind & 1) || !(i >= 0 && i < (size ? info & 0xffffff : 1))) {
      throw new BtfError(`${this.label}: type ${id} (${KIND_NAMES[kind] ?? kind}) has no such part ${i}`);
    }
    return this.word(id, 3 + i * size + k);
  }

  /** One of the `BTF_KIND_` numbers. */
  kind(id: number): number {
    return this.word(id, 1) >>> 24 & 127;
  }

  /** Number of members, enumerators, parameters or variables; the linkage of a function. */
  vlen(id: number): number {
    return this.word(id, 1) & 0xffffff;
  }

  /** Bit 31 of the info word: bitfields (struct, union), signed (enum), union (fwd), attribute (tags). */
  kindFlag(id: number): boolean {
    return this.word(id, 1) < 0;
  }

  /** Offset for {@linkcode Btf.string}; 0 if anonymous. */
  nameOffset(id: number): number {
    return this.word(id, 0) >>> 0;
  }

  /** Name of a type, empty if anonymous. */
  name(id: number): string {
    return this.string(this.nameOffset(id));
  }

  /** The raw third word: by kind a size in bytes, or the id of the type that this one refers to. */
  sizeOrType(id: number): number {
    return this.word(id, 2) >>> 0;
  }

  /** Number of members of a struct or union: the same as `vlen`. */
  memberCount(id: number): number {
    return this.vlen(id);
  }

  /** Name of a member, empty if anonymous. */
  memberName(id: number, i: number): string {
    return this.string(this.memberNameOffset(id, i));
  }

  /** Offset for {@linkcode Btf.string}; 0 if anonymous. */
  memberNameOffset(id: number, i: number): number {
    return this.#part(id, STRUCTS, i, 3, 0) >>> 0;
  }

  /** Type id of a member. */
  memberType(id: number, i: number): number {
    return this.#part(id, STRUCTS, i, 3, 1) >>> 0;
  }

  /** Bits from the start of the struct to a member. */
  memberBitOffset(id: number, i: number): number {
    const word = this.#part(id, STRUCTS, i, 3, 2);
    return this.kindFlag(id) ? word & 0xffffff : word >>> 0;
  }

  /** Bits of a bitfield member; 0: no bitfield. */
  memberBitfieldSize(id: number, i: number): number {
    const word = this.#part(id, STRUCTS, i, 3, 2);
    return this.kindFlag(id) ? word >>> 24 : 0;
  }

  /** Name of an enumerator. */
  enumName(id: number, i: number): string {
    return this.string(this.enumNameOffset(id, i));
  }

  /** Offset for {@linkcode Btf.string}. */
  enumNameOffset(id: number, i: number): number {
    return this.#part(id, ENUMS, i, this.kind(id) === BTF_KIND_ENUM ? 2 : 3, 0) >>> 0;
  }

  /** Value of an enumerator, negative only if the enum says that it is signed. */
  enumValue(id: number, i: number): bigint {
    const wide = this.kind(id) === BTF_KIND_ENUM64, signed = this.kindFlag(id);
    const low = this.#part(id, ENUMS, i, wide ? 3 : 2, 1);
    if (!wide) return BigInt(signed ? low : low >>> 0);
    const value = BigInt(this.#part(id, ENUMS, i, 3, 2) >>> 0) << 32n | BigInt(low >>> 0);
    return signed ? BigInt.asIntN(64, value) : value;
  }

  /** Whether the values of an enum have a sign. Old compilers do not say so. */
  enumIsSigned(id: number): boolean {
    return this.kindFlag(id);
  }

  /** Type id of an array's elements. */
  arrayElement(id: number): number {
    return this.#part(id, 1 << BTF_KIND_ARRAY, 0, 0, 0) >>> 0;
  }

  /** Type id of what counts an array's elements. */
  arrayIndexType(id: number): number {
    return this.#part(id, 1 << BTF_KIND_ARRAY, 0, 0, 1) >>> 0;
  }

  /** Number of elements. */
  arrayLength(id: number): number {
    return this.#part(id, 1 << BTF_KIND_ARRAY, 0, 0, 2) >>> 0;
  }

  /** Bits of an int: 1 signed, 2 char, 4 bool. */
  intEncoding(id: number): number {
    return this.#part(id, 1 << BTF_KIND_INT, 0, 0, 0) >>> 24 & 15;
  }

  /** Bits of an int's value. */
  intBits(id: number): number {
    return this.#part(id, 1 << BTF_KIND_INT, 0, 0, 0) & 255;
  }

  /** Bits before an int's value: 0 but for bitfields of old compilers. */
  intOffset(id: number): number {
    return this.#part(id, 1 << BTF_KIND_INT, 0, 0, 0) >>> 16 & 255;
  }

  /** Type id of a parameter; 0 with an empty name stands for `...`. */
  paramType(id: number, i: number): number {
    return this.#part(id, 1 << BTF_KIND_FUNC_PROTO, i, 2, 1) >>> 0;
  }

  /** Name of a parameter, often empty. */
  paramName(id: number, i: number): string {
    return this.string(this.#part(id, 1 << BTF_KIND_FUNC_PROTO, i, 2, 0) >>> 0);
  }

  /** 0 static, 1 global, 2 extern. */
  varLinkage(id: number): number {
    return this.#part(id, 1 << BTF_KIND_VAR, 0, 0, 0) >>> 0;
  }

  /** 0 static, 1 global, 2 extern. */
  funcLinkage(id: number): number {
    return this.vlen(id);
  }

  /** A variable of an ELF section: the id of its `var`, its offset and size in bytes. */
  secinfo(id: number, i: number): { type: number; offset: number; size: number } {
    const word = (k: number) => this.#part(id, 1 << BTF_KIND_DATASEC, i, 3, k) >>> 0;
    return { type: word(0), offset: word(1), size: word(2) };
  }

  /** Number of the member or parameter that a declaration tag stands at; -1: at the whole. */
  declTagComponent(id: number): number {
    return this.#part(id, 1 << BTF_KIND_DECL_TAG, 0, 0, 0);
  }

  /** The kind as a bit; 0 if unknown to us. */
  #kindBit(id: number): number {
    const kind = this.kind(id);
    return kind < 20 ? 1 << kind : 0;
  }

  #skip(id: number, kinds: number): number {
    for (let i = 0; i < MAX_DEPTH; i++) {
      if (!(kinds & this.#kindBit(id))) return id;
      id = this.sizeOrType(id);
    }
    throw new BtfError(`${this.label} is damaged: type ${id} refers to itself`);
  }

  /**
   * What is left of a type without `const`, `volatile`, `restrict`, type tags and typedefs.
   *
   * @throws {BtfError} on a cycle.
   */
  skip(id: number): number {
    return this.#skip(id, MODIFIERS | TYPEDEF);
  }

  /**
   * Like {@linkcode Btf.skip}, but stops at a typedef.
   *
   * @throws {BtfError} on a cycle.
   */
  skipModifiers(id: number): number {
    return this.#skip(id, MODIFIERS);
  }

  /**
   * Bytes of a type, through typedefs, modifiers, arrays and variables.
   *
   * @throws {BtfError} if it has no size, as a function or a forward declaration.
   */
  sizeOf(id: number): number {
    let count = 1, at = id;
    for (let i = 0; i < MAX_DEPTH && count < 2 ** 32; i++) {
      const bit = this.#kindBit(at);
      if (bit & SIZED) {
        const size = count * this.sizeOrType(at);
        if (size < 2 ** 32) return size;
        break;
      }
      if (bit & 1 << BTF_KIND_PTR) return count * this.pointerSize;
      if (bit & 1 << BTF_KIND_ARRAY) {
        count *= this.arrayLength(at);
        at = this.arrayElement(at);
      } else if (bit & (MODIFIERS | TYPEDEF | 1 << BTF_KIND_VAR)) {
        at = this.sizeOrType(at);
      } else {
        break;
      }
    }
    throw new BtfError(
      `${this.label}: type ${id} (${this.name(id) || KIND_NAMES[this.kind(id)]}) has no size`,
    );
  }

  /**
   * Own types that have this name, or, with `flavors`, one that begins so and goes on with `_`: calls `hit` with the id.
   *
   * Strings and types are searched by the engine's own indexOf, for strings and for words: it runs at full speed from the
   * first call on, which a loop here does only after some ten thousand rounds. A word that is found is a type's name if a
   * record begins there.
   */
  #search(
    texts: (readonly [text: string, start: number])[],
    name: string,
    flavors: boolean,
    hit: (id: number) => void,
  ): void {
    const words = this.#words, at = this.#at, first = this.#first ? 0 : 1, end = this.endId - this.#first;
    const wanted = `\0${byteString(ENCODER.encode(name))}`;
    for (const [text, start] of texts) {
      for (let o = text.indexOf(wanted); o >= 0; o = text.indexOf(wanted, o + 1)) {
        const after = text[o + wanted.length];
        if (after !== "\0" && !(flavors && after === "_")) continue;
        const offset = start + o + 1;
        for (let w = words.indexOf(offset); w >= 0; w = words.indexOf(offset, w + 1)) {
          let low = first, high = end;
          while (low < high) {
            const middle = low + high >> 1;
            if (at[middle]! < w) low = middle + 1;
            else high = middle;
          }
          if (low < end && at[low] === w) hit(this.#first + low);
        }
      }
    }
  }

  /** The strings that own types can name, each with its first offset: one character a byte. */
  #texts(): (readonly [string, number])[] {
    const decoded = DECODER.decode(this.#strings);
    const own = decoded.length === this.#strings.length ? decoded : byteString(this.#strings);
    // A split BTF's strings do not begin with an empty one.
    return this.base ? [...this.base.#texts(), [`\0${own}`, this.#stringStart - 1]] : [[own, 0]];
  }

  /**
   * The lowest id of this exact name, the base's types first.
   *
   * @param name Name of a type, function or variable.
   * @param kinds `BTF_KIND_` numbers; none: any kind.
   */
  find(name: string, ...kinds: number[]): number | undefined {
    return this.findAll([name], ...kinds).get(name);
  }

  /**
   * What {@linkcode Btf.find} finds for each of several names, in one pass, which is much cheaper.
   *
   * @param names Names of types, functions or variables.
   * @param kinds `BTF_KIND_` numbers; none: any kind.
   */
  findAll(names: readonly string[], ...kinds: number[]): Map<string, number> {
    const found = this.base?.findAll(names, ...kinds) ?? new Map<string, number>(), texts = this.#texts();
    for (const name of names) {
      if (found.has(name)) continue;
      let lowest = this.endId;
      this.#search(texts, name, false, (id) => {
        if (id < lowest && (!kinds.length || kinds.includes(this.kind(id)))) lowest = id;
      });
      if (lowest < this.endId) found.set(name, lowest);
    }
    return found;
  }

  /**
   * The own types (not the base's) that are named so, whatever their flavor: ids by essential name, ascending. Structs,
   * unions, enums, ints, floats, typedefs and forward declarations; no functions and no variables.
   *
   * @param names Essential names, see {@linkcode essentialName}.
   */
  findEssential(names: ReadonlySet<string>): Map<string, number[]> {
    if (names.size > FEW) return this.#findMany(names);
    const found = new Map<string, number[]>(), texts = this.#texts();
    for (const name of names) {
      const ids: number[] = [];
      this.#search(texts, name, true, (id) => {
        if (TYPES >> this.kind(id) & 1 && essentialName(this.name(id)) === name) ids.push(id);
      });
      if (ids.length) found.set(name, ids.sort((a, b) => a - b));
    }
    return found;
  }

  /** The same in one pass over the types, whose cost does not grow with the number of names. */
  #findMany(names: ReadonlySet<string>): Map<string, number[]> {
    const found = new Map<string, number[]>(), words = this.#words, at = this.#at;
    // Most types are sorted out by what their names begin with. A short name's NUL or underscore is its next letter.
    const wanted = new Uint8Array(4096),
      starts = (a: number, b: number, c: number) => (a ^ b << 3 ^ c << 6) & 4095;
    for (const name of names) {
      for (const rest of ["\0", "_"]) {
        const [a, b = 0, c = 0] = ENCODER.encode(name + rest);
        wanted[starts(a!, b, c)] = 1;
      }
    }
    const strings = this.#strings, stringStart = this.#stringStart, end = this.endId - this.#first;
    for (let i = this.#first ? 0 : 1; i < end; i++) {
      const w = at[i]!;
      if (!(TYPES >> (words[w + 1]! >>> 24 & 31) & 1)) continue;
      const o = words[w]! - stringStart;
      // Types of a split BTF may be named by its base.
      if (o >= 0 && !wanted[starts(strings[o]!, strings[o + 1]!, strings[o + 2]!)]) continue;
      const name = essentialName(this.name(this.#first + i));
      if (!names.has(name)) continue;
      const ids = found.get(name);
      if (ids) ids.push(this.#first + i);
      else found.set(name, [this.#first + i]);
    }
    return found;
  }
}
