/**
 * What a program is loaded for, where that is fixed at loading: the BTF id of a tracepoint, a function, a hook.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import type { KernelTypes, LoadTarget } from "./object.ts";
import type { ProgramSpec } from "./spec.ts";

/**
 * Finds a program's target in the types of the running kernel.
 *
 * @throws {DetraceError} The kernel has no such thing.
 */
export function target(program: ProgramSpec, types: KernelTypes): LoadTarget {
  const id = types.kernel().find(`btf_trace_${program.target}`, 8); // BTF_KIND_TYPEDEF
  if (id === undefined) throw new DetraceError(`this kernel has no tracepoint ${program.target}`);
  return { attachBtfId: id };
}
