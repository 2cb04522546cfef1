/**
 * Programs that watch or decide what the processes of a cgroup do: packets, sockets, devices, sysctl.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { linkCreate } from "../sys/bpf.ts";
import { closeFd } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { open } from "../sys/file.ts";
import { type AttachWay, type HasFd, Link } from "./link.ts";
import { type Order, orderAttributes } from "./order.ts";
import { explainRefusal } from "./refusal.ts";

/**
 * Attaches a program to a cgroup and all below it (Linux 5.7; the kinds of program have versions of their own). Programs
 * that others attach run, too.
 *
 * @param program A program of one of the kinds `cgroup/...`, `cgroup_skb/...`, `sockops`, `lsm_cgroup`.
 * @param path A directory of a cgroup file system of version 2.
 * @param options `attachType`: BPF_CGROUP_* or BPF_LSM_CGROUP, the type that the program was loaded with. `before`, `after`:
 * where among the others (6.17).
 * @throws {DetraceError} The path is no cgroup, or the kernel does not know the order; {@link SyscallError} if it refuses.
 */
export function attachCgroup(program: HasFd, path: string, options: Order & { attachType: number }): Link {
  const { attachType } = options, order = orderAttributes(options), targetFd = open(path);
  try {
    const attr = { progFd: program.fd, targetFd, attachType, flags: order?.flags ?? 0 };
    return new Link("link", [linkCreate(attr, order?.tail)]);
  } catch (error) {
    if (error instanceof SyscallError && error.code === "EBADF") {
      throw new DetraceError(`${path} is not a directory of a cgroup file system of version 2`, {
        cause: error,
      });
    }
    throw order
      ? explainRefusal(error, "order among the programs of a cgroup", "6.17")
      : explainRefusal(error, "links to cgroups", "5.7");
  } finally {
    closeFd(targetFd);
  }
}

/** `SEC("cgroup_skb/egress")`, `SEC("sockops")` and so on; the target is the path of a cgroup. */
export const cgroup: AttachWay = {
  attach: (program, { target, attachType }) => attachCgroup(program, target, { attachType }),
};
