/**
 * Traffic control: programs that see every packet that comes in at a network interface or goes out.
 *
 * Linux 6.6 brought links for them (TCX). Before, they are filters of the interface's queueing discipline: see tc.ts.
 *
 * @module
 */

import { linkCreate } from "../sys/bpf.ts";
import { SyscallError } from "../sys/errno.ts";
import { interfaceIndex } from "../sys/netlink.ts";
import { type AttachWay, type HasFd, Link } from "./link.ts";
import { type Order, orderAttributes } from "./order.ts";
import { explainRefusal } from "./refusal.ts";
import { attachTc, type Direction } from "./tc.ts";

const ATTACH_TYPES: Readonly<Record<Direction, number>> = { ingress: 46, egress: 47 };

/**
 * Attaches a program to a network interface with a link (Linux 6.6).
 *
 * @param program A BPF_PROG_TYPE_SCHED_CLS program.
 * @param name The interface's name or number.
 * @param direction Which packets.
 * @param order Where among the programs that are there.
 * @throws {DetraceError} There is no such interface, or the kernel has no such links; {@link SyscallError} if it refuses.
 */
export function attachTcx(
  program: HasFd,
  name: string | number,
  direction: Direction,
  order: Order = {},
): Link {
  try {
    return create(program, name, direction, order);
  } catch (error) {
    throw explainRefusal(error, "links to traffic control", "6.6");
  }
}

function create(program: HasFd, name: string | number, direction: Direction, order: Order): Link {
  const { flags = 0, tail } = orderAttributes(order) ?? {};
  const targetFd = interfaceIndex(name), attachType = ATTACH_TYPES[direction];
  return new Link("link", [linkCreate({ progFd: program.fd, targetFd, attachType, flags }, tail)]);
}

/** With a link where the kernel has them, else as a filter. */
function attachTraffic(program: HasFd, name: string, direction: Direction): Link {
  try {
    return create(program, name, direction, {});
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "EINVAL") throw error;
    return attachTc(program, name, direction);
  }
}

/** `SEC("tcx/ingress")`, `SEC("tc/egress")` and so on; the target is a network interface. */
export const tcx: AttachWay = {
  attach: (program, { target, attachType }) =>
    attachTraffic(program, target, attachType === ATTACH_TYPES.egress ? "egress" : "ingress"),
};

/** `SEC("tc")`; the target is a network interface for what comes in, with `/egress` behind its name for what goes out. */
export const tc: AttachWay = {
  attach: (program, { target }) =>
    attachTraffic(program, target.replace(/\/.*$/, ""), target.endsWith("/egress") ? "egress" : "ingress"),
};
