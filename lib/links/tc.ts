/**
 * Traffic control by filters: what works on every kernel, and what `tc filter add ... bpf direct-action` makes.
 *
 * Filters are no links. They stay when a process is killed, until somebody deletes them (`tc qdisc del dev DEV clsact`).
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { type Buffer, cstring } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { attribute, concat, interfaceIndex, netlinkRequest } from "../sys/netlink.ts";
import { type HasFd, Link } from "./link.ts";

// include/uapi/linux/rtnetlink.h, pkt_sched.h, pkt_cls.h
const RTM_NEWQDISC = 36, RTM_DELQDISC = 37, RTM_NEWTFILTER = 44, RTM_DELTFILTER = 45, RTM_GETTFILTER = 46;
const NLM_F_ECHO = 8, NLM_F_EXCL = 0x200, NLM_F_CREATE = 0x400, NLM_F_DUMP = 0x300;
const TCA_KIND = 1, TCA_OPTIONS = 2, TCA_BPF_FD = 6, TCA_BPF_NAME = 7, TCA_BPF_FLAGS = 8;
const TCA_BPF_FLAG_ACT_DIRECT = 1; // the program's result is the verdict
const TCA_MATCHALL_ACT = 2, TCA_ACT_KIND = 1, TCA_ACT_OPTIONS = 2;
const TCA_ACT_BPF_PARMS = 2, TCA_ACT_BPF_FD = 5, TCA_ACT_BPF_NAME = 6; // include/uapi/linux/tc_act/tc_bpf.h
const ETH_P_ALL = 0x0300; // in network byte order
// The queueing discipline "clsact", which holds filters and does nothing else, and its two lists of them.
const CLSACT = 0xfffffff1, CLSACT_HANDLE = 0xffff0000;
const PARENTS: Readonly<Record<Direction, number>> = { ingress: 0xfffffff2, egress: 0xfffffff3 };

/** What a kind of filter or discipline is part of, where it was built as a module. */
const MODULES: Readonly<Record<string, string>> = {
  bpf: "cls_bpf",
  clsact: "sch_ingress",
  matchall: "cls_matchall or act_bpf",
};

/** The way of packets: in or out. */
export type Direction = "ingress" | "egress";

/** Interfaces whose clsact this process made. */
const made = new Set<number>();

/**
 * Attaches a program to a network interface as a filter. It runs before the filters that are there.
 *
 * @param program A BPF_PROG_TYPE_SCHED_CLS program; its result is the verdict (TC_ACT_*).
 * @param name The interface's name or number.
 * @param direction Which packets: those that come in or go out.
 * @throws {DetraceError} There is no such interface, or the kernel has no such filters; {@link SyscallError} if it refuses.
 */
export function attachTc(program: HasFd, name: string | number, direction: Direction): Link {
  const options = concat(
    attribute(TCA_BPF_FD, program.fd),
    attribute(TCA_BPF_NAME, cstring("detrace")),
    attribute(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT),
  );
  return addFilter(interfaceIndex(name), direction, "bpf", options);
}

/**
 * Attaches a program to a network interface as the action of a filter that takes every packet (`tc filter add ... matchall
 * action bpf`; Linux 4.8 with CONFIG_NET_CLS_MATCHALL and CONFIG_NET_ACT_BPF). It runs before the filters that are there.
 *
 * @param program A BPF_PROG_TYPE_SCHED_ACT program; its result is the verdict (TC_ACT_*).
 * @param name The interface's name or number.
 * @param direction Which packets: those that come in or go out.
 * @throws {DetraceError} As {@link attachTc}.
 */
export function attachTcAction(program: HasFd, name: string | number, direction: Direction): Link {
  const options = concat(
    attribute(TCA_ACT_BPF_PARMS, new Uint8Array(20)), // struct tc_act_bpf: the kernel chooses a number
    attribute(TCA_ACT_BPF_FD, program.fd),
    attribute(TCA_ACT_BPF_NAME, cstring("detrace")),
  );
  const action = concat(attribute(TCA_ACT_KIND, cstring("bpf")), attribute(TCA_ACT_OPTIONS, options));
  const list = attribute(1, action); // the first and only
  return addFilter(interfaceIndex(name), direction, "matchall", attribute(TCA_MATCHALL_ACT, list));
}

function addFilter(index: number, direction: Direction, kind: string, options: Buffer): Link {
  const parent = PARENTS[direction];
  makeClsact(index);
  try {
    const flags = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO;
    const [answer] = change(RTM_NEWTFILTER, flags, tcmsg(index, 0, parent, ETH_P_ALL), kind, options);
    // The kernel has chosen a handle and a priority.
    const [, , handle = 0, , info = 0] = new Uint32Array(answer!.buffer, 0, 5);
    return new Link("call", [], {
      through: "clsact",
      cleanup: () => {
        remove(RTM_DELTFILTER, tcmsg(index, handle, parent, info), kind);
        dropClsact(index);
      },
    });
  } catch (error) {
    dropClsact(index);
    throw error;
  }
}

/** `struct tcmsg`. */
function tcmsg(index: number, handle: number, parent: number, info = 0): Buffer {
  return new Uint8Array(new Uint32Array([0, index, handle, parent, info]).buffer);
}

function change(type: number, flags: number, what: Buffer, kind: string, options?: Buffer): Buffer[] {
  const body = concat(what, attribute(TCA_KIND, cstring(kind)));
  try {
    const request = `netlink(${type < RTM_NEWTFILTER ? "qdisc" : "filter"} ${kind})`;
    return netlinkRequest(
      request,
      type,
      flags,
      options ? concat(body, attribute(TCA_OPTIONS, options)) : body,
    );
  } catch (cause) {
    if (!(cause instanceof SyscallError) || cause.code !== "ENOENT" || !(flags & NLM_F_CREATE)) throw cause;
    const what = `this kernel cannot filter traffic by programs: it has no module ${MODULES[kind]}`;
    throw new DetraceError(what, { cause });
  }
}

function remove(type: number, what: Buffer, kind: string): void {
  try {
    change(type, 0, what, kind);
  } catch (error) {
    // Somebody else has deleted it, or the interface is gone.
    if (!(error instanceof SyscallError) || !/^(ENOENT|ENODEV|EINVAL)$/.test(error.code)) throw error;
  }
}

function makeClsact(index: number): void {
  try {
    change(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, tcmsg(index, CLSACT_HANDLE, CLSACT), "clsact");
    made.add(index);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "EEXIST") throw error;
  }
}

/** Takes clsact away if it is ours, and nobody has a filter in it. */
function dropClsact(index: number): void {
  if (!made.has(index)) return;
  for (const parent of Object.values(PARENTS)) {
    const list = tcmsg(index, 0, parent);
    if (netlinkRequest("netlink(filters)", RTM_GETTFILTER, NLM_F_DUMP, list).length) return;
  }
  made.delete(index);
  remove(RTM_DELQDISC, tcmsg(index, CLSACT_HANDLE, CLSACT), "clsact");
}
