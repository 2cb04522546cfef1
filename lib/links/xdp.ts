/**
 * XDP: programs that see packets first, as the network interface has received them.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { linkCreate } from "../sys/bpf.ts";
import { SyscallError } from "../sys/errno.ts";
import { interfaceIndex } from "../sys/netlink.ts";
import { type AttachWay, type HasFd, Link } from "./link.ts";
import { explainRefusal } from "./refusal.ts";

const BPF_XDP = 37;
const MODES: Readonly<Record<XdpMode, number>> = { generic: 1 << 1, driver: 1 << 2, hardware: 1 << 3 }; // XDP_FLAGS_*

/** Who runs the program: the kernel's common code, the interface's driver, or the device itself. */
export type XdpMode = "generic" | "driver" | "hardware";

/**
 * Attaches an XDP program to a network interface (Linux 5.9).
 *
 * @param program A BPF_PROG_TYPE_XDP program.
 * @param name The interface's name or number.
 * @param options `mode`: who runs it; if not given, the driver where it can, else the kernel's common code.
 * @throws {DetraceError} There is no such interface, or it has a program already; {@link SyscallError} if the kernel refuses.
 *
 * @example
 * ```ts
 * import { Assembler, R0 } from "detrace/lib/asm/assembler.ts";
 * import { attachXdp } from "detrace/lib/links/xdp.ts";
 * import { buildSpec } from "detrace/lib/object/build.ts";
 * import { BpfObject } from "detrace/lib/object/object.ts";
 * import { ALL_PARTS } from "detrace/lib/object/open.ts";
 * import { getuid } from "detrace/lib/sys/process.ts";
 *
 * const code = new Assembler().mov(R0, 2).exit(); // XDP_PASS
 * const spec = buildSpec({ name: "example", programs: { pass: { section: "xdp", code } } });
 * if (getuid() === 0) {
 *   using object = await new BpfObject(spec, ALL_PARTS).load();
 *   using link = attachXdp(object.programs.get("pass")!, "lo");
 *   console.log(`link ${link.id}`);
 * }
 * ```
 */
export function attachXdp(
  program: HasFd,
  name: string | number,
  options: { mode?: XdpMode } = {},
): Link {
  const flags = options.mode ? MODES[options.mode] : 0, targetFd = interfaceIndex(name);
  try {
    return new Link("link", [linkCreate({ progFd: program.fd, targetFd, attachType: BPF_XDP, flags })]);
  } catch (error) {
    if (error instanceof SyscallError && (error.code === "EBUSY" || error.code === "EEXIST")) {
      throw new DetraceError(`network interface ${name} has an XDP program already`, { cause: error });
    }
    throw explainRefusal(error, "links to XDP", "5.9");
  }
}

/** `SEC("xdp")`; the target is a network interface. */
export const xdp: AttachWay = {
  attach: (program, { target }) => attachXdp(program, target),
};
