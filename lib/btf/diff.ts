/**
 * What changed in types from one BTF to another: from one kernel to the next, say.
 *
 * Types are compared by kind and name: structs and unions by their members, those of anonymous members as their own; enums by
 * their values; functions, variables and typedefs by their text in C; ints and floats by size.
 *
 * @module
 */

import {
  type Btf,
  BTF_KIND_ENUM,
  BTF_KIND_ENUM64,
  BTF_KIND_FLOAT,
  BTF_KIND_FUNC,
  BTF_KIND_INT,
  BTF_KIND_STRUCT,
  BTF_KIND_TYPEDEF,
  BTF_KIND_UNION,
  BTF_KIND_VAR,
  BtfError,
  KIND_NAMES,
} from "./btf.ts";
import { declarations } from "./print.ts";

/** A member of a struct or union, also one of an anonymous member; or an enumerator. */
export interface BtfPart {
  /** Its name, `u.inner` for a member of a member without a type name. */
  readonly name: string;
  /** Its declaration in C, without the name; empty for an enumerator. */
  readonly type: string;
  /** Bits from the start of the struct; the enumerator's value. */
  readonly at: bigint;
}

/** A part that changed: was added if there is no `before`, removed if there is no `after`; else renamed, moved or of a new type. */
export interface BtfPartChange {
  /** In the first BTF. */
  readonly before?: BtfPart;
  /** In the second. */
  readonly after?: BtfPart;
}

/** A type in one BTF. */
export interface BtfShape {
  /** Bytes; undefined for what has no size. */
  readonly size?: number;
  /** A function, variable, typedef, int or float in C; empty for the others. */
  readonly text: string;
}

/** A type that changed: was added if there is no `before`, removed if there is no `after`. */
export interface BtfChange {
  /** `struct`, `union`, `enum`, `typedef`, `func`, `var`, `int` or `float`. */
  readonly kind: string;
  /** Its name; of an anonymous enum, that of the first value. */
  readonly name: string;
  /** In the first BTF. */
  readonly before?: BtfShape;
  /** In the second. */
  readonly after?: BtfShape;
  /** What changed in a type that both have. */
  readonly parts: readonly BtfPartChange[];
}

interface Shape extends BtfShape {
  readonly parts: readonly BtfPart[];
}

/**
 * Compares two BTFs.
 *
 * Of several types with one name, those that are equal in both do not count; the others are compared in their order.
 *
 * @param a The first, older one. Of split BTF only its own types.
 * @param b The second, newer one.
 * @param wanted Whether to look at types of a name; all if not given.
 * @returns Changes by kind and name, in the order of the first BTF; what was added comes last.
 * @throws {BtfError} if one is damaged.
 *
 * @example
 * ```ts
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { diffBtf } from "detrace/lib/btf/diff.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const taskWith = (name: string) => {
 *   const builder = new BtfBuilder(), int = builder.addInt("int", 4, { signed: true });
 *   builder.addStruct("task_struct", 4, [{ name, type: int, bitOffset: 0 }]);
 *   return Btf.parse(builder.build());
 * };
 * const [change] = diffBtf(taskWith("state"), taskWith("__state"));
 * assertEquals(change!.parts, [
 *   { before: { name: "state", type: "int", at: 0n }, after: { name: "__state", type: "int", at: 0n } },
 * ]);
 * ```
 */
export function diffBtf(a: Btf, b: Btf, wanted: (name: string) => boolean = () => true): BtfChange[] {
  const before = new Shapes(a, wanted), after = new Shapes(b, wanted), changes: BtfChange[] = [];
  for (const key of new Set([...before.ids.keys(), ...after.ids.keys()])) {
    const old = before.of(key), now = after.of(key), space = key.indexOf(" ");
    for (const text of old.keys()) if (now.delete(text)) old.delete(text);
    const olds = [...old.values()], nows = [...now.values()];
    for (let i = 0; i < Math.max(olds.length, nows.length); i++) {
      const before = olds[i], after = nows[i];
      changes.push({
        kind: key.slice(0, space),
        name: key.slice(space + 1),
        ...before && { before: bare(before) },
        ...after && { after: bare(after) },
        parts: before && after ? compare(before.parts, after.parts) : [],
      });
    }
  }
  return changes;
}

const bare = ({ size, text }: Shape): BtfShape => ({ ...size !== undefined && { size }, text });

const ENUMS = 1 << BTF_KIND_ENUM | 1 << BTF_KIND_ENUM64;
const STRUCTS = 1 << BTF_KIND_STRUCT | 1 << BTF_KIND_UNION;
const COMPARED = STRUCTS | ENUMS | 1 << BTF_KIND_TYPEDEF | 1 << BTF_KIND_FUNC | 1 << BTF_KIND_VAR |
  1 << BTF_KIND_INT | 1 << BTF_KIND_FLOAT;

/** The types of one BTF. */
class Shapes {
  /** By kind and name, with a blank between. */
  readonly ids = new Map<string, number[]>();
  readonly #btf: Btf;
  readonly #declare: (id: number, name: string) => string;
  #steps = 0;

  constructor(btf: Btf, wanted: (name: string) => boolean) {
    this.#btf = btf;
    const declare = declarations(btf);
    this.#declare = (id, name) => declare(id, name).replace(/\s+/g, " ");
    for (let id = btf.firstId; id < btf.endId; id++) {
      if (!this.#is(id, COMPARED)) continue;
      const isEnum = this.#is(id, ENUMS);
      const name = btf.name(id) || (isEnum && btf.vlen(id) ? btf.enumName(id, 0) : "");
      if (!name || !wanted(name)) continue;
      const key = `${isEnum ? "enum" : KIND_NAMES[btf.kind(id)]} ${name}`, ids = this.ids.get(key);
      if (ids) ids.push(id);
      else this.ids.set(key, [id]);
    }
  }

  #is(id: number, kinds: number): boolean {
    const kind = this.#btf.kind(id);
    return kind < 20 && (kinds >> kind & 1) > 0;
  }

  /** The types of a kind and name, by all that is compared. */
  of(key: string): Map<string, Shape> {
    return new Map(
      this.ids.get(key)?.map((id) => {
        const shape = this.#shape(id), { size, text, parts } = shape;
        return [[size, text, ...parts.map(({ name, type, at }) => `${name}:${type}@${at}`)].join(), shape];
      }),
    );
  }

  #shape(id: number): Shape {
    const btf = this.#btf, name = btf.name(id), type = btf.sizeOrType(id);
    if (this.#is(id, STRUCTS)) {
      const parts: BtfPart[] = [];
      this.#members(parts, id, "", 0, 0);
      return { size: type, text: "", parts };
    }
    if (this.#is(id, ENUMS)) {
      const parts = Array.from({ length: btf.vlen(id) }, (_, i) => ({
        name: btf.enumName(id, i),
        type: "",
        at: btf.enumValue(id, i),
      }));
      return { size: type, text: "", parts };
    }
    switch (btf.kind(id)) {
      case BTF_KIND_INT:
        return { size: type, text: (btf.intEncoding(id) & 1 ? "signed " : "") + name, parts: [] };
      case BTF_KIND_FLOAT:
        return { size: type, text: name, parts: [] };
      case BTF_KIND_TYPEDEF:
        // What has no name of its own is compared as if it had this one.
        return !btf.nameOffset(type) && this.#is(type, STRUCTS | ENUMS)
          ? { ...this.#shape(type), text: `typedef ${KIND_NAMES[btf.kind(type)]} { ... } ${name}` }
          : { text: `typedef ${this.#declare(type, name)}`, parts: [] };
      default:
        return { text: this.#declare(type, name), parts: [] };
    }
  }

  /** Collects members in their order, those of members whose type has no name in their place. */
  #members(parts: BtfPart[], id: number, prefix: string, base: number, depth: number): void {
    const btf = this.#btf;
    for (let i = 0; i < btf.vlen(id); i++) {
      if (depth > 32 || this.#steps++ > 1e6 + 100 * btf.endId) {
        throw new BtfError(`${btf.label} is damaged: type ${id} is nested too deep`);
      }
      const type = btf.memberType(id, i), name = btf.memberName(id, i), bits = btf.memberBitfieldSize(id, i);
      const at = base + btf.memberBitOffset(id, i);
      if (!btf.nameOffset(type) && this.#is(type, STRUCTS)) {
        this.#members(parts, type, prefix + (name && `${name}.`), at, depth + 1);
      } else {
        const width = bits ? `: ${bits}` : "";
        parts.push({ name: prefix + name, type: this.#declare(type, "") + width, at: BigInt(at) });
      }
    }
  }
}

function compare(before: readonly BtfPart[], after: readonly BtfPart[]): BtfPartChange[] {
  const now = new Map(after.map((part) => [part.name, part])), old = new Set(before.map(({ name }) => name));
  const fresh = new Set(after.filter(({ name }) => !old.has(name))), changes: BtfPartChange[] = [];
  // A member of another name is the same one if it has the same type, and the same place or the same one before it.
  const sameAt = new Map<string, BtfPart>(), sameBehind = new Map<string, BtfPart>();
  for (const [i, part] of after.entries()) {
    if (!part.type || !fresh.has(part)) continue;
    sameAt.set(`${part.at} ${part.type}`, part);
    sameBehind.set(`${after[i - 1]?.name} ${part.type}`, part);
  }
  let previous: string | undefined;
  for (const part of before) {
    let same = now.get(part.name);
    if (!same) {
      same = sameAt.get(`${part.at} ${part.type}`) ?? sameBehind.get(`${previous} ${part.type}`);
      if (same && !fresh.delete(same)) same = undefined;
    }
    if (!same) changes.push({ before: part });
    else if (same.name !== part.name || same.type !== part.type || same.at !== part.at) {
      changes.push({ before: part, after: same });
    }
    previous = same?.name ?? previous;
  }
  return [...changes, ...[...fresh].map((after) => ({ after }))];
}
