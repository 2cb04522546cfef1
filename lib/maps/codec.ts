/**
 * Values between bytes and JavaScript, as BTF describes them: keys and values of maps, records of ring buffers.
 *
 * Decoders are generated code: an object literal with one DataView call a member, about four times as fast as
 * walking the type for every value.
 *
 * @module
 */

import {
  type Btf,
  BTF_KIND_ARRAY,
  BTF_KIND_ENUM,
  BTF_KIND_ENUM64,
  BTF_KIND_FLOAT,
  BTF_KIND_INT,
  BTF_KIND_PTR,
  BTF_KIND_STRUCT,
  BTF_KIND_UNION,
  BTF_KIND_VAR,
} from "../btf/btf.ts";
import { DetraceError } from "../error.ts";
import type { Buffer } from "../sys/door.ts";

/** Turns values of one type into bytes and back. */
export interface Codec<T> {
  /** Bytes of a value. */
  readonly size: number;
  /**
   * The bytes of a value. Members of a struct that are not given are zero.
   *
   * @throws {DetraceError} If a value is not of the type or out of its range; the message says which.
   */
  encode(value: T): Buffer;
  /**
   * The value at an offset. Bytes beyond it do not matter.
   *
   * @throws {DetraceError} If there are too few bytes.
   */
  decode(bytes: Uint8Array, offset?: number): T;
}

/** How a {@link codec} treats what has more than one good shape. */
export interface CodecOptions {
  /** `string` (default): text up to the first NUL. `bytes`: a Uint8Array of the whole array. Encoding takes both. */
  chars?: "string" | "bytes";
  /** `bigint` (default), or `number`: 64-bit integers and pointers as numbers, exact up to 2^53. Encoding takes both. */
  wide?: "bigint" | "number";
}

/** Fields a type may have with all types inside it; a hostile one can describe more than memory holds. */
const MAX_FIELDS = 20000;
/** Bytes a value may have. */
const MAX_SIZE = 2 ** 30;
/** How deep types may be nested. */
const MAX_DEPTH = 100;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Text up to the first NUL; a loop beats TextDecoder where the text is short and ASCII. */
function text(view: DataView, offset: number, length: number): string {
  let s = "";
  for (let i = 0; i < length; i++) {
    const c = view.getUint8(offset + i);
    if (c === 0) return s;
    if (c > 127 || i > 63) {
      const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, length);
      const end = bytes.indexOf(0);
      return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
    }
    s += String.fromCharCode(c);
  }
  return s;
}

/** `bits` bits of an integer that starts at a bit of a little-endian memory. */
function bits(view: DataView, offset: number, bit: number, count: number, signed: boolean): bigint {
  let value = 0n;
  for (let i = bit + count - 1 >> 3; i >= bit >> 3; i--) {
    value = value << 8n | BigInt(view.getUint8(offset + i));
  }
  return (signed ? BigInt.asIntN : BigInt.asUintN)(count, value >> BigInt(bit & 7));
}

function copy(view: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, length).slice();
}

/** The elements of an array. */
function repeat<T>(count: number, element: (index: number) => T): T[] {
  const list: T[] = [];
  for (let i = 0; i < count; i++) list.push(element(i));
  return list;
}

/** A type, ready to use. */
interface Shape {
  size: number;
  /** Source of the expression that reads a value from `v` at `base + offset`. */
  read(base: string, offset: number): string;
  write(view: DataView, offset: number, value: unknown, path: string): void;
  /** Members of a struct or union, those of anonymous ones inside it included. */
  fields?: Field[];
}

interface Field {
  name: string;
  offset: number;
  shape: Shape;
}

const refuse = (path: string, what: string): never => {
  throw new DetraceError(`${path}: ${what}`);
};

/** Source of the sum. */
const at = (base: string, offset: number): string => offset ? `${base}+${offset}` : base;

/** What a value is, for an error. */
function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "object" && value ? Object.prototype.toString.call(value) : String(value);
}

/** Writes `count` bits from a bit on. */
function writeInt(
  view: DataView,
  offset: number,
  bit: number,
  count: number,
  signed: boolean,
  value: unknown,
  path: string,
): void {
  if (typeof value !== "bigint" && typeof value !== "boolean" && !Number.isInteger(value)) {
    refuse(path, `expected an integer, got ${show(value)}`);
  }
  const n = BigInt(value as number), unsigned = BigInt.asUintN(count, n);
  if ((signed ? BigInt.asIntN(count, n) : unsigned) !== n) {
    refuse(path, `${n} does not fit in ${count} bits${signed ? " with a sign" : ""}`);
  }
  const shift = BigInt(bit & 7);
  let mask = (1n << BigInt(count)) - 1n << shift, rest = unsigned << shift;
  for (let i = offset + (bit >> 3); mask; i++, mask >>= 8n, rest >>= 8n) {
    view.setUint8(i, view.getUint8(i) & ~Number(mask & 255n) | Number(rest & 255n));
  }
}

/** An integer of whole bytes. */
function intShape(size: number, signed: boolean, bool: boolean, wide: boolean, path: string): Shape {
  if (![1, 2, 4, 8, 16].includes(size)) refuse(path, `integers of ${size} bytes are not supported`);
  const type = `${signed ? "Int" : "Uint"}`;
  return {
    size,
    read(base, offset) {
      const o = at(base, offset);
      if (bool) return `v.getUint8(${o})!==0`;
      if (size <= 4) return `v.get${type}${size * 8}(${o},true)`;
      if (size === 8 && !wide) return `v.getUint32(${o},true)+v.get${type}32(${o}+4,true)*4294967296`;
      const value = size === 8 ? `v.getBig${type}64(${o},true)` : `bits(v,${o},0,128,${signed})`;
      return wide ? value : `Number(${value})`;
    },
    write(view, offset, value, path) {
      if (bool && typeof value !== "boolean" && value !== 0 && value !== 1) {
        refuse(path, `expected true or false, got ${show(value)}`);
      }
      writeInt(view, offset, 0, size * 8, signed, value, path);
    },
  };
}

/** Part of an integer that need not start at a byte. */
function bitsShape(bit: number, count: number, signed: boolean, bool: boolean, wide: boolean): Shape {
  return {
    size: 0,
    read(base, offset) {
      const value = `bits(v,${at(base, offset)},${bit},${count},${signed})`;
      return bool ? `${value}!==0n` : wide ? value : `Number(${value})`;
    },
    write: (view, offset, value, path) => writeInt(view, offset, bit, count, signed, value, path),
  };
}

function floatShape(size: number, path: string): Shape {
  if (size !== 4 && size !== 8) refuse(path, `floating point of ${size} bytes is not supported`);
  return {
    size,
    read: (base, offset) => `v.getFloat${size * 8}(${at(base, offset)},true)`,
    write(view, offset, value, path) {
      if (typeof value !== "number") refuse(path, `expected a number, got ${show(value)}`);
      if (size === 4) view.setFloat32(offset, value as number, true);
      else view.setFloat64(offset, value as number, true);
    },
  };
}

function charsShape(size: number, asBytes: boolean): Shape {
  return {
    size,
    read: (base, offset) => `${asBytes ? "copy" : "text"}(v,${at(base, offset)},${size})`,
    write(view, offset, value, path) {
      const from = typeof value === "string" ? encoder.encode(value) : value;
      if (!(from instanceof Uint8Array)) return refuse(path, `expected text, got ${show(value)}`);
      if (from.length > size) refuse(path, `${show(value)} is longer than ${size} bytes`);
      const to = new Uint8Array(view.buffer, view.byteOffset + offset, size);
      to.fill(0);
      to.set(from);
    },
  };
}

function arrayShape(element: Shape, length: number, depth: number): Shape {
  // An array of nothing takes no memory, however long it is.
  const { size } = element, count = size ? length : 0, i = `i${depth}`;
  return {
    size: size * count,
    read: (base, offset) => `repeat(${count},${i}=>(${element.read(`${base}+${i}*${size}`, offset)}))`,
    write(view, offset, value, path) {
      if (!Array.isArray(value) && !ArrayBuffer.isView(value)) {
        refuse(path, `expected an array, got ${show(value)}`);
      }
      const list = value as unknown[];
      if (list.length !== count) refuse(path, `expected ${count} elements, got ${list.length}`);
      for (let i = 0; i < count; i++) element.write(view, offset + i * size, list[i], `${path}[${i}]`);
    },
  };
}

function structShape(size: number, fields: Field[]): Shape {
  // A plain `__proto__` in a literal would set the prototype.
  const key = (name: string) => name === "__proto__" ? `["__proto__"]` : JSON.stringify(name);
  return {
    size,
    fields,
    read: (base, offset) =>
      `{${fields.map((f) => `${key(f.name)}:${f.shape.read(base, offset + f.offset)}`).join()}}`,
    write(view, offset, value, path) {
      if (typeof value !== "object" || !value || Array.isArray(value)) {
        return refuse(path, `expected an object, got ${show(value)}`);
      }
      let given = Object.keys(value).length;
      for (const { name, offset: o, shape } of fields) {
        if (!Object.hasOwn(value, name)) continue;
        given--;
        const member = (value as Record<string, unknown>)[name];
        if (member !== undefined) shape.write(view, offset + o, member, `${path}.${name}`);
      }
      if (given > 0) {
        const unknown = Object.keys(value).find((key) => !fields.some((f) => f.name === key));
        if (unknown !== undefined) refuse(path, `there is no member ${unknown}`);
      }
    },
  };
}

/**
 * The codec of a type.
 *
 * | type | value |
 * | --- | --- |
 * | integers and enums to 32 bits, float, double | number |
 * | integers and enums of 64 and 128 bits, pointers | bigint (numbers are encoded, too) |
 * | bool | boolean |
 * | array of char | string |
 * | other arrays | array |
 * | struct | object; members of anonymous structs and unions are members of the outer one |
 * | union | object with all members; of those given to encode, the last one stays |
 *
 * @param btf Where the type is described; little-endian.
 * @param id Type id, of a variable too.
 * @param options See {@link CodecOptions}.
 * @throws {DetraceError} If the type has no values (`void`, a function, a struct that is only declared), or values that
 * are not supported; the message says which member.
 *
 * @example
 * ```ts
 * import { codec } from "detrace/lib/maps/codec.ts";
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder();
 * const int = builder.addInt("int", 4, { signed: true });
 * const key = codec<number>(Btf.parse(builder.build()), int);
 * assertEquals(key.encode(-2), new Uint8Array([254, 255, 255, 255]));
 * assertEquals(key.decode(new Uint8Array([1, 0, 0, 0])), 1);
 * ```
 */
export function codec<T = unknown>(btf: Btf, id: number, options: CodecOptions = {}): Codec<T> {
  const wide = options.wide !== "number";
  let left = MAX_FIELDS;

  function structOf(id: number, path: string, depth: number): Shape {
    const size = btf.sizeOrType(id), fields: Field[] = [];
    for (let i = 0; i < btf.vlen(id); i++) {
      const name = btf.memberName(id, i), where = name ? `${path}.${name}` : path;
      if (!left--) refuse(where, `the type has more than ${MAX_FIELDS} members`);
      const type = btf.skip(btf.memberType(id, i)), isInt = btf.kind(type) === BTF_KIND_INT;
      let bit = btf.memberBitOffset(id, i), count = btf.memberBitfieldSize(id, i);
      if (!count && isInt && (bit & 7 || btf.intBits(type) !== btf.sizeOrType(type) * 8)) {
        // A bitfield as written before Linux 5.0: an integer type of few bits.
        bit += btf.intOffset(type);
        count = btf.intBits(type);
      }
      const encoding = count && isInt ? btf.intEncoding(type) : 0;
      const shape = count
        ? bitsShape(
          bit & 7,
          count,
          isInt ? (encoding & 1) !== 0 : btf.enumIsSigned(type),
          (encoding & 4) !== 0,
          wide && btf.sizeOf(type) > 4,
        )
        : shapeOf(type, where, depth + 1);
      if (bit + (count || shape.size * 8) > size * 8 || !count && bit & 7) {
        refuse(where, "the member lies outside of its struct");
      }
      const offset = bit >>> 3;
      if (name) fields.push({ name, offset, shape });
      else for (const f of shape.fields ?? []) fields.push({ ...f, offset: f.offset + offset });
    }
    return structShape(size, fields);
  }

  function shapeOf(id: number, path: string, depth: number): Shape {
    if (depth > MAX_DEPTH) refuse(path, "the type is nested too deep");
    id = btf.skip(id);
    const kind = btf.kind(id), size = btf.sizeOrType(id);
    switch (kind) {
      case BTF_KIND_VAR:
        return shapeOf(size, path, depth + 1);
      case BTF_KIND_INT: {
        const encoding = btf.intEncoding(id);
        return intShape(size, (encoding & 1) !== 0, (encoding & 4) !== 0, wide, path);
      }
      case BTF_KIND_ENUM:
      case BTF_KIND_ENUM64:
        return intShape(size, btf.enumIsSigned(id), false, wide, path);
      case BTF_KIND_PTR:
        return intShape(btf.pointerSize, false, false, wide, path);
      case BTF_KIND_FLOAT:
        return floatShape(size, path);
      case BTF_KIND_STRUCT:
      case BTF_KIND_UNION:
        return structOf(id, path, depth);
      case BTF_KIND_ARRAY: {
        const type = btf.skip(btf.arrayElement(id)), length = btf.arrayLength(id);
        const isChar = btf.kind(type) === BTF_KIND_INT && btf.sizeOrType(type) === 1 &&
          (btf.name(type) === "char" || (btf.intEncoding(type) & 2) !== 0);
        const shape = isChar
          ? charsShape(length, options.chars === "bytes")
          : arrayShape(shapeOf(type, `${path}[]`, depth + 1), length, depth);
        if (shape.size > MAX_SIZE) refuse(path, `${shape.size} bytes are too many`);
        return shape;
      }
    }
    return refuse(path, "the type has no values");
  }

  const name = btf.name(id) || "value";
  if (!btf.littleEndian) refuse(name, "big-endian types are not supported");
  const shape = shapeOf(id, name, 0), { size } = shape;
  if (size > MAX_SIZE) refuse(name, `${size} bytes are too many`);

  let read: ((view: DataView, offset: number) => T) | undefined;
  let last: Uint8Array | undefined, view: DataView;
  return {
    size,
    encode(value) {
      const bytes: Buffer = new Uint8Array(size);
      shape.write(new DataView(bytes.buffer), 0, value, name);
      return bytes;
    },
    decode(bytes, offset = 0) {
      if (!(offset >= 0 && offset + size <= bytes.length)) {
        refuse(name, `${size} bytes at offset ${offset} lie outside of ${bytes.length} bytes`);
      }
      if (bytes !== last) view = new DataView((last = bytes).buffer, bytes.byteOffset, bytes.length);
      read ??= new Function("text", "copy", "bits", "repeat", `return (v,o)=>(${shape.read("o", 0)})`)(
        text,
        copy,
        bits,
        repeat,
      ) as typeof read;
      return read!(view, offset);
    },
  };
}
