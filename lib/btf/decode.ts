/**
 * Types as objects: for comfort, where time does not count.
 *
 * @module
 */

import {
  type Btf,
  BTF_KIND_ARRAY,
  BTF_KIND_CONST,
  BTF_KIND_DATASEC,
  BTF_KIND_DECL_TAG,
  BTF_KIND_ENUM,
  BTF_KIND_ENUM64,
  BTF_KIND_FLOAT,
  BTF_KIND_FUNC,
  BTF_KIND_FUNC_PROTO,
  BTF_KIND_FWD,
  BTF_KIND_INT,
  BTF_KIND_PTR,
  BTF_KIND_RESTRICT,
  BTF_KIND_STRUCT,
  BTF_KIND_TYPE_TAG,
  BTF_KIND_TYPEDEF,
  BTF_KIND_UNION,
  BTF_KIND_VAR,
  BTF_KIND_VOLATILE,
  BtfError,
  KIND_NAMES,
} from "./btf.ts";

const STRUCTS = 1 << BTF_KIND_STRUCT | 1 << BTF_KIND_UNION;
const ENUMS = 1 << BTF_KIND_ENUM | 1 << BTF_KIND_ENUM64;
const REFERS = 1 << BTF_KIND_VOLATILE | 1 << BTF_KIND_CONST | 1 << BTF_KIND_RESTRICT |
  1 << BTF_KIND_TYPE_TAG |
  1 << BTF_KIND_TYPEDEF | 1 << BTF_KIND_PTR | 1 << BTF_KIND_FUNC | 1 << BTF_KIND_VAR | 1 << BTF_KIND_DECL_TAG;
const SIZED = STRUCTS | ENUMS | 1 << BTF_KIND_INT | 1 << BTF_KIND_FLOAT | 1 << BTF_KIND_DATASEC;

/** Member of a struct or union. Offsets and sizes in bits; `bitfieldSize` 0: no bitfield. */
export interface BtfMember {
  /** Empty for an anonymous struct or union. */
  name: string;
  /** Type id. */
  type: number;
  /** From the start of the struct. */
  bitOffset: number;
  /** Width of a bitfield, else 0. */
  bitfieldSize: number;
}

/** One type, decoded: what {@linkcode decodeType} returns. Types are ids, sizes bytes unless said otherwise. */
export type BtfType =
  & {
    /** Type id. */
    id: number;
    /** Empty if anonymous. */
    name: string;
  }
  & (
    | { kind: "void" }
    | {
      kind: "int";
      size: number;
      bits: number;
      bitOffset: number;
      signed: boolean;
      char: boolean;
      bool: boolean;
    }
    | { kind: "ptr" | "typedef" | "volatile" | "const" | "restrict" | "type_tag"; type: number }
    | { kind: "array"; element: number; index: number; length: number }
    | { kind: "struct" | "union"; size: number; members: BtfMember[] }
    | { kind: "enum" | "enum64"; size: number; signed: boolean; values: { name: string; value: bigint }[] }
    | { kind: "fwd"; union: boolean }
    | { kind: "func" | "var"; type: number; linkage: number }
    | { kind: "func_proto"; returns: number; params: { name: string; type: number }[] }
    | { kind: "datasec"; size: number; variables: { type: number; offset: number; size: number }[] }
    | { kind: "float"; size: number }
    | { kind: "decl_tag"; type: number; component: number }
  );

/**
 * Decodes a type.
 *
 * @param btf Where it is.
 * @param id Which.
 * @throws {BtfError} If there is no such type.
 *
 * @example
 * ```ts
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { decodeType } from "detrace/lib/btf/decode.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder();
 * const id = builder.addFloat("double", 8);
 * assertEquals(decodeType(Btf.parse(builder.build()), id), { kind: "float", id, name: "double", size: 8 });
 * ```
 */
export function decodeType(btf: Btf, id: number): BtfType {
  const kind = btf.kind(id), word = btf.sizeOrType(id), is = (kinds: number) => kinds & 1 << kind;
  if (kind > 19) throw new BtfError(`${btf.label}: type ${id} is of kind ${kind}, which is unknown to us`);
  const all = <T>(one: (i: number) => T): T[] => Array.from({ length: btf.vlen(id) }, (_, i) => one(i));
  const encoding = is(1 << BTF_KIND_INT) && btf.intEncoding(id);
  return {
    kind: KIND_NAMES[kind],
    id,
    name: btf.name(id),
    ...is(SIZED) && { size: word },
    ...is(REFERS) && { type: word },
    ...is(1 << BTF_KIND_INT) && {
      bits: btf.intBits(id),
      bitOffset: btf.intOffset(id),
      signed: !!(encoding & 1),
      char: !!(encoding & 2),
      bool: !!(encoding & 4),
    },
    ...is(1 << BTF_KIND_ARRAY) && {
      element: btf.arrayElement(id),
      index: btf.arrayIndexType(id),
      length: btf.arrayLength(id),
    },
    ...is(STRUCTS) && {
      members: all((i): BtfMember => ({
        name: btf.memberName(id, i),
        type: btf.memberType(id, i),
        bitOffset: btf.memberBitOffset(id, i),
        bitfieldSize: btf.memberBitfieldSize(id, i),
      })),
    },
    ...is(ENUMS) && {
      signed: btf.enumIsSigned(id),
      values: all((i) => ({ name: btf.enumName(id, i), value: btf.enumValue(id, i) })),
    },
    ...is(1 << BTF_KIND_FWD) && { union: btf.kindFlag(id) },
    ...is(1 << BTF_KIND_FUNC_PROTO) && {
      returns: word,
      params: all((i) => ({ name: btf.paramName(id, i), type: btf.paramType(id, i) })),
    },
    ...is(1 << BTF_KIND_FUNC) && { linkage: btf.funcLinkage(id) },
    ...is(1 << BTF_KIND_VAR) && { linkage: btf.varLinkage(id) },
    ...is(1 << BTF_KIND_DATASEC) && { variables: all((i) => btf.secinfo(id, i)) },
    ...is(1 << BTF_KIND_DECL_TAG) && { component: btf.declTagComponent(id) },
  } as BtfType;
}
