/**
 * How a kernel is asked what it can do, and the questions of the loader itself: all others, which few programs ask, stand in
 * features.ts.
 *
 * @module
 */

import { btfLoad, progLoad, type ProgLoadAttr } from "../sys/bpf.ts";
import { type Buffer, closeFd } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";

// BPF_PROG_TYPE_*, BPF_FUNC_*: include/uapi/linux/bpf.h
const SOCKET_FILTER = 1, TRACEPOINT = 5, GET_ATTACH_COOKIE = 174;
// Codes of instructions. Their first word has the destination in bits 8 to 11, the source in 12 to 15, the offset above.
const CALL = 0x85, EXIT = 0x95, MOV_IMM = 0xb7, PSEUDO_CALL = 1 << 12;
/** r0 = 0, as two words. */
export const RETURN_0: readonly number[] = [MOV_IMM, 0];
// Records of BTF as words: name, kind << 24 | vlen, size or type, and so on. Types 2: a prototype `void (int x)`; `int x`.
const PROTOTYPE = [0, 13 << 24 | 1, 0, 3, 1], VARIABLE = [3, 14 << 24, 1, 0];
/** BTF, as two types: that prototype, and a static function of it, whose id is 3. */
export const STATIC_FUNCTION: readonly number[] = [...PROTOTYPE, 3, 12 << 24, 2];

/** One thing that not every kernel can do. */
export interface Feature {
  /** In words, as in "needs ring buffers". */
  readonly name: string;
  /** The first Linux that has it, `5.8`. */
  readonly version: string;
  /** The first Linux for arm64, where it came there later. */
  readonly arm64?: string;
  /** What decides beside the version: options of the kernel's build, how it was booted. */
  readonly needs?: string;
  /** Asks the kernel. Throws a `SyscallError` if it may not be asked. */
  readonly probe: () => boolean;
}

const known = new Map<Feature, boolean>();

/**
 * Whether the running kernel has a feature. It is asked once in the life of the process.
 *
 * @throws {SyscallError} It may not be asked (`EPERM`), or cannot answer (`ENOMEM`, `EMFILE`).
 */
export function supports(feature: Feature): boolean {
  let answer = known.get(feature);
  if (answer === undefined) known.set(feature, answer = feature.probe());
  return answer;
}

/** A feature that is there if the kernel does this and it is not false, or refuses it with the error `answer`. */
export function row(
  name: string,
  version: string,
  make: () => number | boolean | void,
  options: { answer?: string; arm64?: string; needs?: string } = {},
): Feature {
  const { answer = "", ...rest } = options;
  return { name, version, ...rest, probe: () => ask(make) === answer };
}

/** What the kernel says to this: empty if it does it (a descriptor that comes back is closed), else an error's name. */
function ask(make: () => number | boolean | void): string {
  try {
    const result = make();
    if (typeof result === "number") closeFd(result);
    return result === false ? "no" : "";
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (/^E(AGAIN|MFILE|NFILE|NOMEM|PERM)$/.test(error.code)) throw error; // says nothing of the feature
    return error.code;
  }
}

/** Does something with a descriptor, and closes it. */
export function within<T>(fd: number, use: (fd: number) => T): T {
  try {
    return use(fd);
  } finally {
    closeFd(fd);
  }
}

/** Words of 32 bits as bytes. */
export function words(...list: number[]): Buffer {
  return new Uint8Array(new Int32Array(list).buffer);
}

/** Loads BTF of a signed int as type 1, and of these types. Its strings: "i" at 1, "x" at 3, ".d" at 5, "arg:ctx" at 8. */
export function loadBtf(...types: number[]): number {
  const size = 16 + types.length * 4;
  // struct btf_header: magic and version, its size, offset and size of types and of strings
  const header = [0x1eb9f, 24, 0, size, size, 16];
  const strings = [0x78006900, 0x642e00, 0x3a677261, 0x787463];
  return btfLoad(words(...header, 1, 1 << 24, 4, 1 << 24 | 32, ...types, ...strings));
}

/** Loads a program of these instructions, two words each, and an exit. */
export function load(type: number, insns: readonly number[], more?: Partial<ProgLoadAttr>): number {
  return progLoad({ type, insns: words(...insns, EXIT, 0), license: "GPL", ...more });
}

/** Loads a program of several functions: of each its first instruction and its type. */
export function loadFunctions(
  insns: number[],
  types: readonly number[],
  functions: readonly number[],
): number {
  const more = { funcInfo: words(...functions), funcInfoSize: 8 };
  return within(loadBtf(...types), (btfFd) => load(SOCKET_FILTER, insns, { btfFd, ...more }));
}

/** `int i(void) { return x(ctx); }` and a global `int x(void *x __arg_ctx)`: without the tag, `void *` is refused. */
function useArgCtx(): number {
  const types = [
    ...[0, 13 << 24, 1, 1, 12 << 24 | 1, 2],
    ...[0, 2 << 24, 0, 0, 13 << 24 | 1, 1, 3, 4, 3, 12 << 24 | 1, 5],
    ...[8, 17 << 24, 6, 0],
  ];
  return loadFunctions([CALL | PSEUDO_CALL, 1, EXIT, 0, ...RETURN_0], types, [0, 3, 2, 6]);
}

/** Keys of {@link LOADER}. */
export type LoaderFeature =
  | "btfFunc"
  | "btfDatasec"
  | "btfFuncGlobal"
  | "btfFloat"
  | "bpfCookie"
  | "btfDeclTag"
  | "btfTypeTag"
  | "btfEnum64"
  | "argCtx";

/** What the loader asks. */
export const LOADER: Readonly<Record<LoaderFeature, Feature>> = {
  btfFunc: row("functions in BTF", "5.0", () => loadBtf(...STATIC_FUNCTION)),
  btfDatasec: row("data sections in BTF", "5.2", () => loadBtf(...VARIABLE, 5, 15 << 24 | 1, 4, 2, 0, 4)),
  btfFuncGlobal: row("global functions in BTF", "5.6", () => loadBtf(...PROTOTYPE, 3, 12 << 24 | 1, 2)),
  btfFloat: row("floating point in BTF", "5.13", () => loadBtf(3, 16 << 24, 4)),
  bpfCookie: row("BPF cookies", "5.15", () => load(TRACEPOINT, [CALL, GET_ATTACH_COOKIE])),
  btfDeclTag: row("declaration tags in BTF", "5.16", () => loadBtf(...VARIABLE, 3, 17 << 24, 2, -1)),
  btfTypeTag: row("type tags in BTF", "5.17", () => loadBtf(3, 18 << 24, 1, 0, 2 << 24, 2)),
  btfEnum64: row("enumerations of 64 bits in BTF", "6.0", () => loadBtf(3, 19 << 24, 8)),
  argCtx: row("context arguments of global functions marked by a tag", "6.8", useArgCtx),
};
