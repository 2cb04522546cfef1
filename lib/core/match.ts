/**
 * The target's side of a CO-RE relocation: whether a candidate type has what the object's own type has, and where.
 *
 * @module
 */

import {
  type Btf,
  BTF_KIND_ARRAY,
  BTF_KIND_ENUM,
  BTF_KIND_FLOAT,
  BTF_KIND_FUNC_PROTO,
  BTF_KIND_FWD,
  BTF_KIND_INT,
  BTF_KIND_PTR,
  BTF_KIND_STRUCT,
  BTF_KIND_UNION,
  BTF_KIND_UNKN,
  essentialName,
} from "../btf/btf.ts";
import { CoreError, isComposite, kindOf, Path, typeWords } from "./spec.ts";

/** Deepest nesting of two types that are compared. */
const MAX_LEVELS = 32;
/** Most pairs of types in one comparison; hostile BTF would ask for more than a lifetime allows. */
const MAX_PAIRS = 1 << 16;

const INT_SIGNED = 1;
const ENCODER = new TextEncoder();

/** Whether both ints are whole: the old way to write a bitfield was an int with an offset. */
function wholeInts(local: Btf, l: number, target: Btf, t: number): boolean {
  return local.intOffset(l) === 0 && target.intOffset(t) === 0;
}

/** Why a program that was compiled for a member of type `l` may not use one of type `t`; empty if it may. */
function fieldMismatch(local: Btf, l: number, target: Btf, t: number): string {
  for (let level = 0, arrays = ""; level < MAX_LEVELS; level++, arrays += "array of ") {
    if (isComposite(local, l) && isComposite(target, t)) return "";
    const kind = kindOf(local, l);
    if (kind === kindOf(target, t)) {
      if (kind === BTF_KIND_PTR || kind === BTF_KIND_FLOAT) return "";
      if (kind === BTF_KIND_INT && wholeInts(local, l, target, t)) return "";
      if (kind === BTF_KIND_ENUM || kind === BTF_KIND_FWD) {
        const a = local.name(l), b = target.name(t);
        if (!a || !b || essentialName(a) === essentialName(b)) return "";
      }
      if (kind === BTF_KIND_ARRAY) {
        l = local.skip(local.arrayElement(l));
        t = target.skip(target.arrayElement(t));
        continue;
      }
    }
    return `${arrays}${typeWords(target, t)} instead of ${arrays}${typeWords(local, l)}`;
  }
  throw new CoreError("its array nests too deep");
}

/**
 * Goes to the member `name`, in UTF-8 `bytes`, of struct or union `id`, in anonymous members too.
 * `without`: anonymous members known not to have it, so that no type is searched twice.
 */
function findMember(path: Path, id: number, name: string, bytes: Uint8Array, without?: Set<number>): boolean {
  const { btf } = path;
  if (!isComposite(btf, id)) return false;
  path.step();
  for (let index = 0, count = btf.vlen(id); index < count; index++) {
    const own = btf.word(id, 3 + 3 * index) >>> 0;
    if (own && !btf.stringIs(own, bytes)) continue;
    const { bits } = path, inner = path.member(id, index, own ? name : "");
    if (own) return true;
    without ??= new Set();
    if (!without.has(inner) && findMember(path, inner, name, bytes, without)) return true;
    without.add(inner);
    path.members.pop();
    path.bits = bits;
  }
  path.steps--;
  return false;
}

/**
 * Follows a path of the object's types along a candidate.
 *
 * @param path What the access string leads to in the object's types.
 * @param target BTF of the candidate.
 * @param candidate Id of the candidate.
 * @returns The same path there, or why there is none.
 */
export function matchField({ accessors, btf }: Path, target: Btf, candidate: number): Path | string {
  const found = new Path(target, candidate);
  let id = target.skip(candidate);
  for (let i = 0; i < accessors.length; i++) {
    const { index, name, field } = accessors[i]!, within = id;
    if (name) {
      if (!findMember(found, id, name, ENCODER.encode(name))) {
        return `${typeWords(target, id)} has no member ${name}`;
      }
      id = found.last.field;
      const mismatch = fieldMismatch(btf, field, target, id);
      if (mismatch) return `its member ${name} is ${mismatch}`;
    } else {
      id = (i ? found.into(id, index) : found.element(id, index)) ?? -1;
      if (id < 0) return `${typeWords(target, within)} has no element ${index}`;
    }
  }
  return found;
}

/** The numbers below `n`. */
function upTo(n: number): number[] {
  return [...Array(n).keys()];
}

/** Finds the enumerator that a path of the object's types ends in. @returns Its place in the candidate, or why there is none. */
export function matchEnumerator(path: Path, target: Btf, candidate: number): Path | string {
  const type = target.skip(candidate), name = essentialName(path.last.name);
  if (kindOf(target, type) !== BTF_KIND_ENUM) return `it is ${typeWords(target, type)}`;
  const index = upTo(target.vlen(type)).find((i) => essentialName(target.enumName(type, i)) === name);
  if (index === undefined) return `it has no enumerator ${name}`;
  const found = new Path(target, candidate);
  found.accessors.push({ type, index, name, field: type });
  return found;
}

/**
 * Whether two types, and all that they are made of, are alike.
 *
 * Loosely: the same kinds at every level, whatever the names, members and sizes. Strictly, which is what
 * `bpf_core_type_matches()` asks: the target has all that the object's type has, by the same names and sizes, and may have
 * more; of structs behind pointers only the names count.
 *
 * @param local BTF of the object.
 * @param localId Type in it.
 * @param target BTF of the kernel.
 * @param targetId Type in it.
 * @param strict Which of the two.
 * @returns Whether they are.
 * @throws {CoreError} if they nest more than 32 levels deep, {BtfError} if the BTF is broken.
 */
export function typesAlike(
  local: Btf,
  localId: number,
  target: Btf,
  targetId: number,
  strict: boolean,
): boolean {
  let pairs = 0;
  const same = (l: number, t: number, behind: boolean, level: number): boolean => {
    if (level > MAX_LEVELS || ++pairs > MAX_PAIRS) throw new CoreError("the types nest too deep to compare");
    l = local.skip(l);
    t = target.skip(t);
    if (strict && essentialName(local.name(l)) !== essentialName(target.name(t))) return false;
    const kind = kindOf(local, l), other = kindOf(target, t), down = level + 1;
    if (kind !== other) {
      // Behind a pointer a declaration is as good as the type. Its kind flag says that it is of a union.
      const declares = (btf: Btf, id: number, kind: number) =>
        kind !== BTF_KIND_FWD ? kind : btf.kindFlag(id) ? BTF_KIND_UNION : BTF_KIND_STRUCT;
      return strict && behind && declares(local, l, kind) === declares(target, t, other);
    }
    const isEnum = kind === BTF_KIND_ENUM, sizes = local.sizeOrType(l) === target.sizeOrType(t);
    switch (kind) {
      case BTF_KIND_UNKN:
        return true;
      case BTF_KIND_INT:
        if (!strict) return wholeInts(local, l, target, t);
        return sizes && !((local.intEncoding(l) ^ target.intEncoding(t)) & INT_SIGNED);
      case BTF_KIND_FWD:
        return !strict || local.kindFlag(l) === target.kindFlag(t);
      case BTF_KIND_PTR:
        return same(local.sizeOrType(l), target.sizeOrType(t), true, down);
      case BTF_KIND_ARRAY:
        return (!strict || local.arrayLength(l) === target.arrayLength(t)) &&
          same(local.arrayElement(l), target.arrayElement(t), behind, down);
      case BTF_KIND_FUNC_PROTO:
        return local.vlen(l) === target.vlen(t) &&
          upTo(local.vlen(l)).every((i) =>
            same(local.paramType(l, i), target.paramType(t, i), behind, down)
          ) &&
          same(local.sizeOrType(l), target.sizeOrType(t), behind, down);
      case BTF_KIND_STRUCT:
      case BTF_KIND_UNION:
      case BTF_KIND_ENUM: {
        if (!strict || behind && !isEnum) return true;
        const name = (btf: Btf, id: number, i: number) =>
          essentialName(isEnum ? btf.enumName(id, i) : btf.memberName(id, i));
        const theirs = Map.groupBy(upTo(target.vlen(t)), (j) => name(target, t, j));
        return (sizes || !isEnum) &&
          upTo(local.vlen(l)).every((i) =>
            theirs.get(name(local, l, i))?.some((j) =>
              isEnum || same(local.memberType(l, i), target.memberType(t, j), false, down)
            )
          );
      }
    }
    return false;
  };
  return same(localId, targetId, false, 1);
}

/**
 * Whether two types are loosely alike, and of one kind even before their typedefs are followed: what `bpf_core_type_exists()`
 * asks of types of one name, and what the type of an extern of the kernel must fulfil.
 *
 * @param local BTF of the object.
 * @param localId Type in it.
 * @param target BTF of the kernel.
 * @param targetId Type in it.
 * @returns Whether they are compatible.
 * @throws {CoreError} if they nest more than 32 levels deep, {BtfError} if the BTF is broken.
 *
 * @example
 * ```ts
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { typesCompatible } from "detrace/lib/core/match.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder();
 * const int = builder.addInt("int", 4, { signed: true }), u64 = builder.addInt("u64", 8);
 * const pointer = builder.addPtr(int), other = builder.addPtr(u64);
 * const btf = Btf.parse(builder.build());
 * assertEquals(typesCompatible(btf, pointer, btf, other), true);
 * assertEquals(typesCompatible(btf, pointer, btf, int), false);
 * ```
 */
export function typesCompatible(local: Btf, localId: number, target: Btf, targetId: number): boolean {
  return kindOf(local, localId) === kindOf(target, targetId) &&
    typesAlike(local, localId, target, targetId, false);
}
