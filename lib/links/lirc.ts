/**
 * Infrared receivers: programs that decode what the kernel's own decoders do not know.
 *
 * @module
 */

import { progAttach, progDetach } from "../sys/bpf.ts";
import { closeFd } from "../sys/door.ts";
import { open } from "../sys/file.ts";
import { type HasFd, Link } from "./link.ts";

const BPF_LIRC_MODE2 = 16;

/**
 * Attaches a program to an infrared receiver (Linux 4.18 with CONFIG_BPF_LIRC_MODE2), beside others that are there.
 *
 * @param program A BPF_PROG_TYPE_LIRC_MODE2 program; it must be open when the link is closed.
 * @param path The receiver, `/dev/lirc0`.
 * @throws {SyscallError} There is no such device, or the kernel refuses.
 */
export function attachLirc(program: HasFd, path: string): Link {
  const device = open(path), { fd } = program;
  try {
    progAttach(fd, device, BPF_LIRC_MODE2);
  } catch (error) {
    closeFd(device);
    throw error;
  }
  const cleanup = () => {
    progDetach(fd, device, BPF_LIRC_MODE2);
    closeFd(device);
  };
  return new Link("call", [], { cleanup, through: "attach" });
}
