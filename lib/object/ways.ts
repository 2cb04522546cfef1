/**
 * All ways of attaching, by their names in {@link ProgramSpec.attach}. Generated skeletons bring only those that they need.
 *
 * @module
 */

import type { AttachWay } from "../links/link.ts";
import { rawTracepoint, tracepoint } from "../links/tracepoint.ts";
import { tracing } from "../links/tracing.ts";

/** Ways by name. */
export const WAYS: Readonly<Record<string, AttachWay>> = {
  tracepoint,
  raw_tp: rawTracepoint,
  tp_btf: tracing,
};

/** Where each stands: file in lib/links and export, for the skeleton generator. */
export const WAY_FILES: Readonly<Record<string, readonly [file: string, name: string]>> = {
  tracepoint: ["tracepoint", "tracepoint"],
  raw_tp: ["tracepoint", "rawTracepoint"],
  tp_btf: ["tracing", "tracing"],
};
