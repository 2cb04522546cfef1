/**
 * The least BTF that relocations need: what to ship with a program for kernels that have no BTF of their own, some
 * kilobytes instead of megabytes.
 *
 * Kept is what the relocations touch in every type that fits: members with their types, of a pointer only that it is one.
 * So they give the same results as against the full BTF; only type ids are others. `bpftool gen min_core_btf` makes the
 * same choice, but of the first type that fits only.
 *
 * @module
 */

import {
  type Btf,
  BTF_KIND_ARRAY,
  BTF_KIND_CONST,
  BTF_KIND_FUNC_PROTO,
  BTF_KIND_PTR,
  BTF_KIND_RESTRICT,
  BTF_KIND_STRUCT,
  BTF_KIND_TYPE_TAG,
  BTF_KIND_TYPEDEF,
  BTF_KIND_UNION,
  BTF_KIND_VAR,
  BTF_KIND_VOLATILE,
} from "../btf/btf.ts";
import { BtfBuilder } from "../btf/build.ts";
import { CoreRelocator } from "./core.ts";
import { BPF_CORE_TYPE_MATCHES, type CoreRelocation, isTypeKind, type Path } from "./spec.ts";

/** A function with its relocations: what `FunctionSpec` of lib/object/spec.ts is. */
export interface CoreFunction {
  /** Its name, for messages. */
  readonly name: string;
  /** Instructions, as the compiler left them. */
  readonly insns: Uint8Array;
  /** Its records; offsets in bytes from the function's start. */
  readonly coreRelocations: readonly CoreRelocation[];
}

/** An object, as far as it is relocated. */
export interface CoreObject {
  /** Its own types. */
  readonly btf: Btf;
  /** Its programs and subprograms. */
  readonly functions: Iterable<CoreFunction>;
}

/**
 * What of a type is looked at: itself, and of what it is made from as much as a field needs (not what pointers lead to);
 * that, and what pointers lead to; all members as well; what a pointer among those leads to.
 */
const FIELD = 0, ALIKE = 1, MATCH = 2, BEHIND = 3;

/**
 * The part of a kernel's BTF that the relocations of some objects need.
 *
 * @param target The kernel's types, or, as split BTF on them, those of a module with them.
 * @param objects The objects.
 * @returns BTF without a base.
 * @throws {CoreError} if a relocation cannot be done, {BtfError} if the types are damaged.
 *
 * @example
 * ```ts
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { minimalBtf } from "detrace/lib/core/min.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder(), int = builder.addInt("int", 4, { signed: true });
 * builder.addStruct("task_struct", 64, [
 *   { name: "flags", type: int, bitOffset: 0 },
 *   { name: "pid", type: int, bitOffset: 128 },
 * ]);
 * const btf = Btf.parse(builder.build());
 * const insns = Uint8Array.fromHex("6112100000000000"); // r2 = *(u32 *)(r1 + 16)
 * const record = { offset: 0, typeId: btf.find("task_struct")!, accessString: "0:1", kind: 0 };
 * const main = { name: "main", insns, coreRelocations: [record] };
 * const least = Btf.parse(minimalBtf(btf, [{ btf, functions: [main] }]));
 * const task = least.find("task_struct")!;
 * assertEquals([least.vlen(task), least.memberName(task, 0), least.memberBitOffset(task, 0)], [1, "pid", 128]);
 * ```
 */
export function minimalBtf(target: Btf, objects: Iterable<CoreObject>): Uint8Array<ArrayBuffer> {
  const types = target.base ? { vmlinux: target.base, modules: () => [target] } : { vmlinux: target };
  const kept = new Kept(target);
  for (const { btf, functions } of objects) {
    const relocator = new CoreRelocator(btf, types);
    for (const { name, insns, coreRelocations } of functions) {
      const copy = insns.slice();
      for (const relocation of coreRelocations) {
        kept.compares ||= isTypeKind(relocation.kind);
        relocator.relocate(copy, [relocation], name, (_path, { matches }) => {
          for (const match of matches) kept.path(match, relocation.kind);
        });
      }
    }
  }
  return kept.build();
}

/** The types, and of structs and unions the members, that are kept. */
class Kept {
  /** Whether types are compared as such, with what their pointers lead to. */
  compares = false;
  readonly #btf: Btf;
  readonly #types = new Set<number>();
  readonly #members = new Map<number, Set<number>>();
  /** Types that were seen, by what of them is looked at. */
  readonly #seen = [FIELD, ALIKE, MATCH, BEHIND].map(() => new Set<number>());

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  /** Keeps what a record of such a kind needs of a type that fits. */
  path({ root, members }: Path, kind: number): void {
    this.#type(root, !isTypeKind(kind) ? FIELD : kind === BPF_CORE_TYPE_MATCHES ? MATCH : ALIKE);
    for (const [type, index] of members) {
      this.#member(type, index);
      this.#type(this.#btf.memberType(type, index), FIELD);
    }
  }

  #member(type: number, index: number): void {
    const members = this.#members.get(type);
    if (members) members.add(index);
    else this.#members.set(type, new Set([index]));
  }

  #type(id: number, look: number): void {
    const btf = this.#btf, work: [id: number, look: number][] = [[id, look]];
    for (let next; (next = work.pop());) {
      const [id, look] = next, kind = btf.kind(id), n = btf.vlen(id);
      if (!kind || this.#seen[look]!.has(id)) continue;
      this.#seen[look]!.add(id);
      this.#types.add(id);
      switch (kind) {
        case BTF_KIND_PTR:
          if (look !== FIELD) work.push([btf.sizeOrType(id), look === ALIKE ? ALIKE : BEHIND]);
          break;
        case BTF_KIND_CONST:
        case BTF_KIND_VOLATILE:
        case BTF_KIND_RESTRICT:
        case BTF_KIND_TYPEDEF:
        case BTF_KIND_TYPE_TAG:
        case BTF_KIND_VAR:
          work.push([btf.sizeOrType(id), look]);
          break;
        case BTF_KIND_ARRAY:
          work.push([btf.arrayElement(id), look], [btf.arrayIndexType(id), FIELD]);
          break;
        case BTF_KIND_FUNC_PROTO:
          work.push([btf.sizeOrType(id), look]);
          for (let i = 0; i < n; i++) work.push([btf.paramType(id, i), look]);
          break;
        case BTF_KIND_STRUCT:
        case BTF_KIND_UNION:
          if (look !== MATCH) break;
          for (let i = 0; i < n; i++) {
            this.#member(id, i);
            work.push([btf.memberType(id, i), look]);
          }
      }
    }
  }

  /** Only these types, in the order that they had. */
  build(): Uint8Array<ArrayBuffer> {
    const btf = this.#btf, builder = new BtfBuilder(), ids = [...this.#types].sort((a, b) => a - b);
    const places = new Map([[0, 0], ...ids.map((id, i) => [id, i + 1] as const)]);
    // A pointer whose end is not kept is one to void. Where types are compared that could make two alike which were not,
    // so it is a void that is none: no two floats are alike, whatever they are called.
    let nothing = 0;
    const translate = (id: number) => places.get(id) ?? (nothing = this.compares ? ids.length + 1 : 0);
    for (const id of ids) {
      const composite = btf.kind(id) === BTF_KIND_STRUCT || btf.kind(id) === BTF_KIND_UNION;
      builder.copyOne(btf, id, translate, (i) => !composite || this.#members.get(id)?.has(i) === true);
    }
    if (nothing) builder.addFloat("void", 0);
    // Readers take the size of a pointer from this type.
    if (btf.pointerSize === 4) builder.addInt("long", 4, { signed: true });
    return builder.build(btf.littleEndian);
  }
}
