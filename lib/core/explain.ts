/**
 * What CO-RE makes of each instruction, and why: for people who look for the reason of a poisoned or wrong access.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import { DetraceError } from "../error.ts";
import { CoreRelocator, type CoreResult, type CoreTarget } from "./core.ts";
import type { CoreFunction, CoreObject } from "./min.ts";
import { accessWords, type CoreRelocation, parseLocal, relocationWords, typeWords } from "./spec.ts";

/** One side of a relocation. */
export interface CoreAccess {
  /** Where the root type is. */
  readonly btf: Btf;
  /** Id of the root type. */
  readonly typeId: number;
  /** Root type and path in words: `struct task_struct.comm[3]`. */
  readonly words: string;
}

/** What became of one record. */
export interface CoreExplanation {
  /** The function that it is for. */
  readonly fn: CoreFunction;
  /** The record. */
  readonly relocation: CoreRelocation;
  /** What it asks, in words: `byte offset of struct task_struct.comm[3]`. */
  readonly words: string;
  /** The compiler's answer; undefined if the record is broken. */
  readonly localValue: bigint | undefined;
  /** The target's; undefined if the instruction must not run. */
  readonly targetValue: bigint | undefined;
  /** The types of the target that fit; all give the same value. None for a local type id. */
  readonly matches: readonly CoreAccess[];
  /** The instruction was made invalid: why. */
  readonly poison: string | undefined;
  /** The object would not be loaded: why. */
  readonly refusal: string | undefined;
  /** The function's instructions after this record and all before it. */
  readonly insns: Uint8Array;
}

/**
 * Relocates all functions of an object, and tells of each record. One that would be refused does not end it.
 *
 * @param object The object; it is not changed.
 * @param target The types that its programs shall run against.
 *
 * @example
 * ```ts
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { explainRelocations } from "detrace/lib/core/explain.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const taskWith = (bitOffset: number) => {
 *   const builder = new BtfBuilder(), int = builder.addInt("int", 4, { signed: true });
 *   builder.addStruct("task_struct", 64, [{ name: "pid", type: int, bitOffset }]);
 *   return Btf.parse(builder.build());
 * };
 * const btf = taskWith(0), vmlinux = taskWith(128);
 * const insns = Uint8Array.fromHex("6112000000000000"); // r2 = *(u32 *)(r1 + 0)
 * const record = { offset: 0, typeId: btf.find("task_struct")!, accessString: "0:0", kind: 0 };
 * const main = { name: "main", insns, coreRelocations: [record] };
 * const [one] = explainRelocations({ btf, functions: [main] }, { vmlinux });
 * assertEquals(one!.words, "byte offset of struct task_struct.pid");
 * assertEquals([one!.localValue, one!.targetValue], [0n, 16n]);
 * ```
 */
export function* explainRelocations(object: CoreObject, target: CoreTarget): Generator<CoreExplanation> {
  const { btf } = object, functions = [...object.functions], relocator = new CoreRelocator(btf, target);
  for (const { coreRelocations } of functions) relocator.prepare(coreRelocations);
  for (const fn of functions) {
    const insns = fn.insns.slice();
    for (const relocation of fn.coreRelocations) {
      let words = relocationWords(btf, relocation, undefined), result: CoreResult | undefined;
      let poison: string | undefined, refusal: string | undefined;
      try {
        words = relocationWords(btf, relocation, parseLocal(btf, relocation));
        const poisons = relocator.relocate(insns, [relocation], fn.name, (_path, seen) => result = seen);
        if (poisons.length) poison = result?.why;
      } catch (error) {
        if (!(error instanceof DetraceError)) throw error;
        refusal = error.cause instanceof DetraceError ? error.cause.message : error.message;
      }
      yield {
        fn,
        relocation,
        words,
        localValue: result?.local.value,
        targetValue: poison === undefined ? result?.target?.value : undefined,
        matches: result?.matches.map((match) => ({
          btf: match.btf,
          typeId: match.root,
          words: typeWords(match.btf, match.root) + accessWords(match, relocation.kind),
        })) ?? [],
        poison,
        refusal,
        insns,
      };
    }
  }
}
