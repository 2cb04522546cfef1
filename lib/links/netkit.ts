/**
 * netkit: programs at the two ends of a virtual pair of network interfaces.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { linkCreate } from "../sys/bpf.ts";
import { SyscallError } from "../sys/errno.ts";
import { interfaceIndex } from "../sys/netlink.ts";
import { type AttachWay, type HasFd, Link } from "./link.ts";
import { type Order, orderAttributes } from "./order.ts";
import { explainRefusal } from "./refusal.ts";

const BPF_NETKIT_PRIMARY = 54, BPF_NETKIT_PEER = 55;

/**
 * Attaches a program to a netkit device (Linux 6.7).
 *
 * @param program A BPF_PROG_TYPE_SCHED_CLS program.
 * @param name Name or number of the pair's primary interface.
 * @param options `peer`: it runs for what the other end sends. See {@link Order} for the rest.
 * @throws {DetraceError} There is no such interface, or it is none of netkit, or the kernel has none; {@link SyscallError}
 * if it refuses.
 */
export function attachNetkit(
  program: HasFd,
  name: string | number,
  options: Order & { peer?: boolean } = {},
): Link {
  const { flags = 0, tail } = orderAttributes(options) ?? {};
  const attachType = options.peer ? BPF_NETKIT_PEER : BPF_NETKIT_PRIMARY;
  try {
    const targetFd = interfaceIndex(name);
    return new Link("link", [linkCreate({ progFd: program.fd, targetFd, attachType, flags }, tail)]);
  } catch (error) {
    if (error instanceof SyscallError && (error.code === "ENXIO" || error.code === "EACCES")) {
      throw new DetraceError(`network interface ${name} is not the primary one of a netkit pair`, {
        cause: error,
      });
    }
    throw explainRefusal(error, "netkit devices", "6.7", "CONFIG_NETKIT");
  }
}

/** `SEC("netkit/primary")`, `SEC("netkit/peer")`; the target is the primary network interface. */
export const netkit: AttachWay = {
  attach: (program, { target, attachType }) =>
    attachNetkit(program, target, { peer: attachType === BPF_NETKIT_PEER }),
};
