/**
 * What a section's name says about the programs in it.
 *
 * @module
 */

/** BPF_PROG_TYPE_*, BPF_TRACE_* and the like, BPF_F_* to load with, the way that it attaches if not the section's first word. */
type Row = readonly [type: number, attachType?: number, flags?: number, attach?: string];

const SLEEPABLE = 1 << 4, XDP_HAS_FRAGS = 1 << 5;
const KPROBE = 2, TRACING = 26, LSM = 29;

// Numbers: include/uapi/linux/bpf.h. Names: libbpf's documentation, "Program Types and ELF Sections".
const SECTIONS: Readonly<Record<string, Row>> = {
  "socket": [1, 0, 0, ""],
  "kprobe": [KPROBE],
  "kretprobe": [KPROBE],
  "ksyscall": [KPROBE],
  "kretsyscall": [KPROBE],
  "kprobe.multi": [KPROBE, 42],
  "kretprobe.multi": [KPROBE, 42],
  "kprobe.session": [KPROBE, 56],
  "uprobe": [KPROBE],
  "uprobe.s": [KPROBE, 0, SLEEPABLE, "uprobe"],
  "uretprobe": [KPROBE],
  "uretprobe.s": [KPROBE, 0, SLEEPABLE, "uretprobe"],
  "uprobe.multi": [KPROBE, 48],
  "uprobe.multi.s": [KPROBE, 48, SLEEPABLE, "uprobe.multi"],
  "uretprobe.multi": [KPROBE, 48],
  "uretprobe.multi.s": [KPROBE, 48, SLEEPABLE, "uretprobe.multi"],
  "uprobe.session": [KPROBE, 57],
  "uprobe.session.s": [KPROBE, 57, SLEEPABLE, "uprobe.session"],
  "usdt": [KPROBE],
  "usdt.s": [KPROBE, 0, SLEEPABLE, "usdt"],
  "tracepoint": [5],
  "tp": [5, 0, 0, "tracepoint"],
  "raw_tracepoint": [17, 0, 0, "raw_tp"],
  "raw_tp": [17],
  "raw_tracepoint.w": [24, 0, 0, "raw_tp"],
  "raw_tp.w": [24, 0, 0, "raw_tp"],
  "tp_btf": [TRACING, 23],
  "fentry": [TRACING, 24],
  "fentry.s": [TRACING, 24, SLEEPABLE, "fentry"],
  "fexit": [TRACING, 25],
  "fexit.s": [TRACING, 25, SLEEPABLE, "fexit"],
  "fmod_ret": [TRACING, 26],
  "fmod_ret.s": [TRACING, 26, SLEEPABLE, "fmod_ret"],
  "iter": [TRACING, 28],
  "iter.s": [TRACING, 28, SLEEPABLE, "iter"],
  "freplace": [28],
  "lsm": [LSM, 27],
  "lsm.s": [LSM, 27, SLEEPABLE, "lsm"],
  "lsm_cgroup": [LSM, 43, 0, ""],
  "perf_event": [7],
  "syscall": [31, 0, SLEEPABLE, ""],
  "struct_ops": [27, 0, 0, ""],
  "struct_ops.s": [27, 0, SLEEPABLE, ""],
  "xdp": [6, 37],
  "xdp.frags": [6, 37, XDP_HAS_FRAGS, "xdp"],
  "xdp/devmap": [6, 33, 0, ""],
  "xdp.frags/devmap": [6, 33, XDP_HAS_FRAGS, ""],
  "xdp/cpumap": [6, 35, 0, ""],
  "xdp.frags/cpumap": [6, 35, XDP_HAS_FRAGS, ""],
  "tc": [3, 0, 0, "tc"],
  "classifier": [3, 0, 0, "tc"],
  "action": [4, 0, 0, ""],
  "tc/ingress": [3, 46, 0, "tcx"],
  "tc/egress": [3, 47, 0, "tcx"],
  "tcx/ingress": [3, 46, 0, "tcx"],
  "tcx/egress": [3, 47, 0, "tcx"],
  "netkit/primary": [3, 54, 0, "netkit"],
  "netkit/peer": [3, 55, 0, "netkit"],
  "netfilter": [32, 45],
  "sk_lookup": [30, 36],
  "flow_dissector": [22, 17],
  "sk_reuseport": [21, 39, 0, ""],
  "sk_reuseport/migrate": [21, 40, 0, ""],
  "sk_skb": [14, 0, 0, ""],
  "sk_skb/stream_parser": [14, 4, 0, ""],
  "sk_skb/stream_verdict": [14, 5, 0, ""],
  "sk_skb/verdict": [14, 38, 0, ""],
  "sk_msg": [16, 7, 0, ""],
  "lwt_in": [10, 0, 0, ""],
  "lwt_out": [11, 0, 0, ""],
  "lwt_xmit": [12, 0, 0, ""],
  "lwt_seg6local": [19, 0, 0, ""],
  "lirc_mode2": [20, 16, 0, ""],
  "sockops": [13, 3, 0, "cgroup"],
  "cgroup/skb": [8, 0, 0, ""],
  "cgroup_skb/ingress": [8, 0, 0, "cgroup"],
  "cgroup_skb/egress": [8, 1, 0, "cgroup"],
  "cgroup/sock": [9, 2, 0, "cgroup"],
  "cgroup/sock_create": [9, 2, 0, "cgroup"],
  "cgroup/sock_release": [9, 34, 0, "cgroup"],
  "cgroup/post_bind4": [9, 12, 0, "cgroup"],
  "cgroup/post_bind6": [9, 13, 0, "cgroup"],
  "cgroup/bind4": [18, 8, 0, "cgroup"],
  "cgroup/bind6": [18, 9, 0, "cgroup"],
  "cgroup/connect4": [18, 10, 0, "cgroup"],
  "cgroup/connect6": [18, 11, 0, "cgroup"],
  "cgroup/connect_unix": [18, 49, 0, "cgroup"],
  "cgroup/sendmsg4": [18, 14, 0, "cgroup"],
  "cgroup/sendmsg6": [18, 15, 0, "cgroup"],
  "cgroup/sendmsg_unix": [18, 50, 0, "cgroup"],
  "cgroup/recvmsg4": [18, 19, 0, "cgroup"],
  "cgroup/recvmsg6": [18, 20, 0, "cgroup"],
  "cgroup/recvmsg_unix": [18, 51, 0, "cgroup"],
  "cgroup/getpeername4": [18, 29, 0, "cgroup"],
  "cgroup/getpeername6": [18, 30, 0, "cgroup"],
  "cgroup/getpeername_unix": [18, 52, 0, "cgroup"],
  "cgroup/getsockname4": [18, 31, 0, "cgroup"],
  "cgroup/getsockname6": [18, 32, 0, "cgroup"],
  "cgroup/getsockname_unix": [18, 53, 0, "cgroup"],
  "cgroup/sysctl": [23, 18, 0, "cgroup"],
  "cgroup/getsockopt": [25, 21, 0, "cgroup"],
  "cgroup/setsockopt": [25, 22, 0, "cgroup"],
  "cgroup/dev": [15, 6, 0, "cgroup"],
};

/** What Linux 5.10 did not load, and the Linux that brought it: a type, an attach type (all if undefined), flags. */
const SINCE:
  readonly (readonly [type: number, attachType: number | undefined, flags: number, since: string])[] = [
    [31, undefined, 0, "5.14"],
    [6, undefined, XDP_HAS_FRAGS, "5.18"],
    [TRACING, 28, SLEEPABLE, "5.18"],
    [KPROBE, undefined, SLEEPABLE, "6.0"],
    [LSM, 43, 0, "6.0"],
    [32, undefined, 0, "6.4"],
    [18, 49, 0, "6.7"],
    [18, 50, 0, "6.7"],
    [18, 51, 0, "6.7"],
    [18, 52, 0, "6.7"],
    [18, 53, 0, "6.7"],
  ];

/**
 * The Linux that brought programs of a kind, if a kernel is older.
 *
 * @param version The kernel's, as LINUX_VERSION_CODE is written.
 * @param kind A section's type, attach type and flags.
 *
 * @example
 * ```ts
 * import { newerThan, parseSection } from "detrace/lib/object/sections.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(newerThan(0x050a00, parseSection("netfilter")!), "6.4");
 * assertEquals(newerThan(0x060400, parseSection("netfilter")!), undefined);
 * assertEquals(newerThan(0x050a00, parseSection("xdp.frags")!), "5.18");
 * ```
 */
export function newerThan(
  version: number,
  kind: Pick<Section, "type" | "expectedAttachType" | "flags">,
): string | undefined {
  return SINCE.find(([type, attachType = kind.expectedAttachType, flags, since]) => {
    const [major, minor] = since.split(".").map(Number) as [number, number];
    return type === kind.type && attachType === kind.expectedAttachType && (kind.flags & flags) === flags &&
      version < (major << 16) + (minor << 8);
  })?.[3];
}

/** What a section's name says. */
export interface Section {
  /** BPF_PROG_TYPE_*. */
  readonly type: number;
  /** Expected attach type, 0 for none. */
  readonly expectedAttachType: number;
  /** BPF_F_* to load with. */
  readonly flags: number;
  /** How it attaches, in its full form; empty: not by itself. */
  readonly attach: string;
  /** What it attaches to. */
  readonly target: string;
  /** False for names that begin with `?`. */
  readonly autoload: boolean;
}

/**
 * Reads a program section's name.
 *
 * @param name As `SEC()` has it: `tracepoint/syscalls/sys_enter_openat`, `?raw_tp/sched_switch`.
 * @returns Undefined if programs of such a section are not known.
 *
 * @example
 * ```ts
 * import { parseSection } from "detrace/lib/object/sections.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseSection("tp/sched/sched_switch")?.target, "sched/sched_switch");
 * assertEquals(parseSection("tp/sched/sched_switch")?.attach, "tracepoint");
 * assertEquals(parseSection("cgroup_skb/egress")?.expectedAttachType, 1);
 * ```
 */
export function parseSection(name: string): Section | undefined {
  const autoload = !name.startsWith("?");
  const [first = "", second, ...others] = name.slice(autoload ? 0 : 1).split("/");
  // The longest known name; what stands behind it is the target.
  const both = `${first}/${second}`;
  const [word, rest] = Object.hasOwn(SECTIONS, both) ? [both, others] : [first, [second ?? "", ...others]];
  if (!Object.hasOwn(SECTIONS, word)) return undefined;
  const [type, expectedAttachType = 0, flags = 0, attach = word] = SECTIONS[word]!;
  return { type, expectedAttachType, flags, attach, target: rest.join("/"), autoload };
}
