/**
 * One program at many functions of a program or library, by one link.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { findFunctions, matchFunctions, withElf } from "../symbols/elf_file.ts";
import { findFile } from "../symbols/find_file.ts";
import { linkCreate } from "../sys/bpf.ts";
import { SyscallError } from "../sys/errno.ts";
import { uprobeMultiOptions } from "../sys/link_options.ts";
import { type AttachWay, type HasFd, Link } from "./link.ts";
import { isFound } from "./uprobe.ts";

const BPF_TRACE_UPROBE_MULTI = 48, BPF_TRACE_UPROBE_SESSION = 57, BPF_F_UPROBE_MULTI_RETURN = 1;

/** Functions of a file: by a pattern, by their names, or by their places. */
export interface UprobeMultiTarget {
  /** The file, or a name that `findFile()` finds: `libc.so.6`, `libc`, `bash`. */
  readonly path: string;
  /** A pattern of names, in which `*` stands for any characters and `?` for one. */
  readonly pattern?: string;
  /** Names, each perhaps with a version, `memcpy@GLIBC_2.14`. */
  readonly symbols?: readonly string[];
  /** Bytes from the start of the file. */
  readonly offsets?: readonly number[];
}

/** How a program is attached to many functions. */
export interface UprobeMultiOptions {
  /** When the functions return, not when they are called. */
  retprobe?: boolean;
  /** At both (6.13): the program was loaded as a session, and says at the call whether it wants to see the return. */
  session?: boolean;
  /** Only in this process; the file is then looked for as that process sees it. */
  pid?: number | undefined;
  /** What `bpf_get_attach_cookie()` gives: everywhere the same, or one for each name or place of a list. */
  cookies?: bigint | readonly bigint[] | undefined;
  /** Places in the file of the counters that the kernel keeps above zero, one for each name or place of a list. */
  refCounterOffsets?: readonly number[];
}

/**
 * Attaches to many functions of a program or library (Linux 6.6).
 *
 * @param program A BPF_PROG_TYPE_KPROBE program that was loaded for it (`SEC("uprobe.multi")`, `SEC("uprobe.session")`).
 * @param target Which functions: {@link UprobeMultiTarget}, or as text `PATH:PATTERN`.
 * @param options At return or call, in which process, cookies, counters.
 * @throws {DetraceError} The kernel cannot do it, or there is no such file or function.
 */
export function attachUprobeMulti(
  program: HasFd,
  target: string | UprobeMultiTarget,
  options: UprobeMultiOptions = {},
): Link {
  const { retprobe = false, session = false, pid, cookies, refCounterOffsets } = options;
  const { path, offsets } = locate(typeof target === "string" ? parseTarget(target) : target, pid);
  for (const list of [cookies, refCounterOffsets]) {
    if (typeof list === "object" && list.length !== offsets.length) {
      throw new DetraceError(`there are ${list.length} cookies or counters for ${offsets.length} functions`);
    }
  }
  const create = (path: string) =>
    linkCreate(
      { progFd: program.fd, attachType: session ? BPF_TRACE_UPROBE_SESSION : BPF_TRACE_UPROBE_MULTI },
      uprobeMultiOptions({
        path,
        offsets: BigUint64Array.from(offsets, BigInt),
        refCounterOffsets: refCounterOffsets && BigUint64Array.from(refCounterOffsets, BigInt),
        cookies: typeof cookies === "bigint"
          ? new BigUint64Array(offsets.length).fill(cookies)
          : cookies && BigUint64Array.from(cookies),
        flags: retprobe ? BPF_F_UPROBE_MULTI_RETURN : 0,
        pid,
      }),
    );
  try {
    return new Link("link", [create(path)]);
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    if (!looksAtFile(create)) {
      const what = session
        ? "sessions of uprobes (Linux 6.13)"
        : "uprobes at many functions by one link (Linux 6.6)";
      throw new DetraceError(`this kernel has no ${what}, or the program was not loaded for them`, {
        cause,
        hint: 'attach SEC("uprobe") programs to one function each',
      });
    }
    if (!/^E(INVAL|IO|NOTSUPP|OPNOTSUPP)$/.test(cause.code)) throw cause;
    throw new DetraceError(`the kernel does not let one of ${offsets.length} places in ${path} be probed`, {
      cause,
      hint: "there may be no instruction, or one that cannot be probed",
    });
  }
}

/** Whether the kernel finds out that a directory is no file. One without such links refuses before. */
function looksAtFile(create: (path: string) => number): boolean {
  try {
    create("/");
  } catch (error) {
    return error instanceof SyscallError && !/^E(INVAL|OPNOTSUPP)$/.test(error.code);
  }
  return true;
}

function parseTarget(text: string): UprobeMultiTarget {
  const [, path, pattern] = /^(.+):([^:]+)$/s.exec(text) ?? [];
  if (path !== undefined && pattern !== undefined) return { path, pattern };
  throw new DetraceError(`"${text}" is no target of uprobes at many functions`, {
    hint: "write PATH:PATTERN",
  });
}

function locate(target: UprobeMultiTarget, pid?: number): { path: string; offsets: readonly number[] } {
  const { pattern, symbols, offsets = [] } = target;
  const path = findFile(target.path, pid);
  const found = pattern !== undefined
    ? withElf(path, (elf) => matchFunctions(elf, (name) => matches(pattern, name)))
    : symbols
    ? withElf(path, (elf) => findFunctions(elf, symbols))
    : offsets;
  if (found.length > 0) return { path, offsets: found };
  throw new DetraceError(
    pattern === undefined ? "no function is asked for" : `${path}: there is no function ${pattern}`,
  );
}

/** Whether a name fits a pattern. Not by a regular expression, which a long name could keep busy for years. */
function matches(pattern: string, name: string): boolean {
  let at = 0, star = -1, from = 0; // in the pattern; its last `*`, and where in the name that stops for now
  for (let i = 0; i < name.length;) {
    if (pattern[at] === "*") [star, from] = [at++, i];
    else if (pattern[at] === "?" || pattern[at] === name[i]) at++, i++;
    else if (star >= 0) [at, i] = [star + 1, ++from];
    else return false;
  }
  while (pattern[at] === "*") at++;
  return at === pattern.length;
}

/** `SEC("uprobe.multi/PATH:PATTERN")`, `SEC("uretprobe.multi/PATH:PATTERN")`, `SEC("uprobe.session/PATH:PATTERN")`. */
export const uprobeMulti: AttachWay = {
  attach: (program, { way, target, cookie, pid }) =>
    attachUprobeMulti(program, target, {
      retprobe: way === "uretprobe.multi",
      session: way === "uprobe.session",
      pid,
      cookies: cookie,
    }),
  present: ({ target, pid }) => {
    const wanted = parseTarget(target);
    return isFound(() => locate(wanted, pid));
  },
};
