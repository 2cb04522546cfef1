/**
 * All ways of attaching, by their names in {@link ProgramSpec.attach}. Generated skeletons bring only those that they need.
 *
 * @module
 */

import { cgroup } from "../links/cgroup.ts";
import { freplace } from "../links/extension.ts";
import { iterator } from "../links/iterator.ts";
import { kprobe, ksyscall } from "../links/kprobe.ts";
import { kprobeMulti } from "../links/kprobe_multi.ts";
import type { AttachWay } from "../links/link.ts";
import { flowDissector, skLookup } from "../links/net_namespace.ts";
import { netfilter } from "../links/netfilter.ts";
import { netkit } from "../links/netkit.ts";
import { tc, tcx } from "../links/tcx.ts";
import { perfEvent } from "../links/perf_event.ts";
import { rawTracepoint, tracepoint } from "../links/tracepoint.ts";
import { lsm, traced, tracing } from "../links/tracing.ts";
import { uprobe } from "../links/uprobe.ts";
import { uprobeMulti } from "../links/uprobe_multi.ts";
import { usdt } from "../links/usdt.ts";
import { xdp } from "../links/xdp.ts";

/** Ways by name. */
export const WAYS: Readonly<Record<string, AttachWay>> = {
  tracepoint,
  raw_tp: rawTracepoint,
  tp_btf: tracing,
  fentry: traced,
  fexit: traced,
  fmod_ret: traced,
  lsm,
  freplace,
  iter: iterator,
  xdp,
  tc,
  tcx,
  netkit,
  netfilter,
  cgroup,
  sk_lookup: skLookup,
  flow_dissector: flowDissector,
  kprobe,
  kretprobe: kprobe,
  ksyscall,
  kretsyscall: ksyscall,
  "kprobe.multi": kprobeMulti,
  "kretprobe.multi": kprobeMulti,
  "kprobe.session": kprobeMulti,
  perf_event: perfEvent,
  uprobe,
  uretprobe: uprobe,
  "uprobe.multi": uprobeMulti,
  "uretprobe.multi": uprobeMulti,
  "uprobe.session": uprobeMulti,
  usdt,
};

/** Where each stands: file in lib/links and export, for the skeleton generator. */
export const WAY_FILES: Readonly<Record<string, readonly [file: string, name: string]>> = {
  tracepoint: ["tracepoint", "tracepoint"],
  raw_tp: ["tracepoint", "rawTracepoint"],
  tp_btf: ["tracing", "tracing"],
  fentry: ["tracing", "traced"],
  fexit: ["tracing", "traced"],
  fmod_ret: ["tracing", "traced"],
  lsm: ["tracing", "lsm"],
  freplace: ["extension", "freplace"],
  iter: ["iterator", "iterator"],
  xdp: ["xdp", "xdp"],
  tc: ["tcx", "tc"],
  tcx: ["tcx", "tcx"],
  netkit: ["netkit", "netkit"],
  netfilter: ["netfilter", "netfilter"],
  cgroup: ["cgroup", "cgroup"],
  sk_lookup: ["net_namespace", "skLookup"],
  flow_dissector: ["net_namespace", "flowDissector"],
  kprobe: ["kprobe", "kprobe"],
  kretprobe: ["kprobe", "kprobe"],
  ksyscall: ["kprobe", "ksyscall"],
  kretsyscall: ["kprobe", "ksyscall"],
  "kprobe.multi": ["kprobe_multi", "kprobeMulti"],
  "kretprobe.multi": ["kprobe_multi", "kprobeMulti"],
  "kprobe.session": ["kprobe_multi", "kprobeMulti"],
  perf_event: ["perf_event", "perfEvent"],
  uprobe: ["uprobe", "uprobe"],
  uretprobe: ["uprobe", "uprobe"],
  "uprobe.multi": ["uprobe_multi", "uprobeMulti"],
  "uretprobe.multi": ["uprobe_multi", "uprobeMulti"],
  "uprobe.session": ["uprobe_multi", "uprobeMulti"],
  usdt: ["usdt", "usdt"],
};
