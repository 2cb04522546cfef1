/**
 * One program at many functions of the kernel, by one link (fprobe).
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { linkCreate } from "../sys/bpf.ts";
import { SyscallError } from "../sys/errno.ts";
import { readText } from "../sys/file.ts";
import { kprobeMultiOptions } from "../sys/link_options.ts";
import { type AttachWay, type HasFd, Link } from "./link.ts";
import { tracefs } from "./tracefs.ts";

const BPF_TRACE_KPROBE_MULTI = 42, BPF_TRACE_KPROBE_SESSION = 56, BPF_F_KPROBE_MULTI_RETURN = 1;

/** Functions by their names or addresses. */
type Functions = readonly string[] | readonly bigint[];

/** How a program is attached to many functions. */
export interface KprobeMultiOptions {
  /** When the functions return, not when they are called. */
  retprobe?: boolean;
  /** At both (6.10): the program was loaded as a session, and says at the call whether it wants to see the return. */
  session?: boolean;
  /** What `bpf_get_attach_cookie()` gives: everywhere the same, or one for each function of a list. */
  cookies?: bigint | readonly bigint[] | undefined;
}

/**
 * Attaches to many functions of the kernel (Linux 5.18, built with CONFIG_FPROBE).
 *
 * @param program A BPF_PROG_TYPE_KPROBE program that was loaded for it (`SEC("kprobe.multi")`, `SEC("kprobe.session")`).
 * @param target A pattern of names, in which `*` stands for any characters and `?` for one, as `tcp_*`, or with a module
 *   `nf_tables:nft_*`; or functions by their names or first addresses. A pattern means those functions that can be traced; of
 *   a list each has to be one. Of several functions of one name the kernel takes the first.
 * @param options At return or call; cookies.
 * @throws {DetraceError} The kernel cannot do it, or has no such functions.
 */
export function attachKprobeMulti(
  program: HasFd,
  target: string | readonly string[] | readonly bigint[],
  options: KprobeMultiOptions = {},
): Link {
  const { retprobe = false, session = false, cookies } = options;
  const create = (functions: Functions) =>
    linkCreate(
      { progFd: program.fd, attachType: session ? BPF_TRACE_KPROBE_SESSION : BPF_TRACE_KPROBE_MULTI },
      kprobeMultiOptions({
        flags: retprobe ? BPF_F_KPROBE_MULTI_RETURN : 0,
        ...(isNames(functions) ? { symbols: functions } : { addresses: BigUint64Array.from(functions) }),
        cookies: typeof cookies === "bigint"
          ? new BigUint64Array(functions.length).fill(cookies)
          : cookies && BigUint64Array.from(cookies),
      }),
    );
  let functions: Functions = [];
  try {
    functions = typeof target !== "string" ? target : /[*?:]/.test(target) ? [...matching(target)] : [target];
    if (functions.length === 0) {
      throw new DetraceError(
        target.length ? `no function that can be traced matches "${target}"` : "no function is given",
      );
    }
    if (typeof cookies === "object" && cookies.length !== functions.length) {
      throw new DetraceError(`there are ${cookies.length} cookies for ${functions.length} functions`);
    }
    return new Link("link", [create(functions)]);
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    if (!looksForFunctions(create)) {
      throw new DetraceError(
        session
          ? "this kernel has no sessions of kprobes (Linux 6.10 with CONFIG_FPROBE)"
          : "this kernel has no kprobes at many functions (Linux 5.18 with CONFIG_FPROBE)",
        { cause },
      );
    }
    if (!/^E(SRCH|INVAL|NOENT)$/.test(cause.code)) throw cause;
    throw new DetraceError(refusal(functions), {
      cause,
      hint: "the functions that can be traced are those in available_filter_functions of tracefs",
    });
  }
}

/** What the kernel has against these functions. */
function refusal(functions: Functions): string {
  if (!isNames(functions)) return "not all of these addresses are those of functions that can be traced";
  const all = matching("*"), missing = functions.find((name) => !all.has(name));
  if (missing !== undefined) return `this kernel has no function ${missing} that can be traced`;
  return `a function is named twice: ${functions.find((name, i) => functions.indexOf(name) !== i)}`;
}

/** Whether the kernel looks for a function that cannot be there. One without such links refuses before. */
function looksForFunctions(create: (functions: string[]) => number): boolean {
  try {
    create([""]);
  } catch (error) {
    return error instanceof SyscallError && !/^E(INVAL|OPNOTSUPP)$/.test(error.code);
  }
  return true;
}

function isNames(functions: Functions): functions is readonly string[] {
  return typeof functions[0] === "string";
}

/** The names of the functions that can be traced and that a pattern means. */
function matching(pattern: string): Set<string> {
  const glob = (text: string) => RegExp.escape(text).replaceAll("\\*", "\\S*").replaceAll("\\?", "\\S");
  const [name, module] = pattern.split(":").reverse() as [string, string?];
  // A line: name, and behind it the module in brackets; or where a function was before the kernel freed it.
  const line = new RegExp(
    `^(?!__ftrace_invalid|$)(${glob(name)})${module ? ` \\[${glob(module)}\\]` : "(?: \\[.*)?"}$`,
    "gm",
  );
  const list = readText(`${tracefs()}/available_filter_functions`);
  return new Set(list.matchAll(line).map(([, name]) => name!));
}

/** `SEC("kprobe.multi/PATTERN")`, `SEC("kretprobe.multi/PATTERN")`, `SEC("kprobe.session/PATTERN")`. */
export const kprobeMulti: AttachWay = {
  attach: (program, { way, target, cookie }) =>
    attachKprobeMulti(program, target, {
      retprobe: way === "kretprobe.multi",
      session: way === "kprobe.session",
      cookies: cookie,
    }),
  present: ({ target }) => matching(target).size > 0,
};
