/**
 * Programs of a network namespace: sk_lookup chooses the socket for what arrives, flow_dissector takes packets apart.
 *
 * @module
 */

import { linkCreate } from "../sys/bpf.ts";
import { closeFd } from "../sys/door.ts";
import { open } from "../sys/file.ts";
import { type AttachWay, type HasFd, Link } from "./link.ts";
import { explainRefusal } from "./refusal.ts";

const BPF_FLOW_DISSECTOR = 17, BPF_SK_LOOKUP = 36;

function attach(program: HasFd, path: string, attachType: number, name: string, version: string): Link {
  const targetFd = open(path);
  try {
    return new Link("link", [linkCreate({ progFd: program.fd, targetFd, attachType })]);
  } catch (error) {
    throw explainRefusal(error, name, version);
  } finally {
    closeFd(targetFd);
  }
}

/**
 * Attaches a program that chooses the listening socket for new connections and datagrams (Linux 5.9).
 *
 * @param program A BPF_PROG_TYPE_SK_LOOKUP program.
 * @param path A network namespace: `/proc/PID/ns/net`, `/run/netns/NAME`.
 * @throws {SyscallError} There is no such file, or the kernel refuses.
 */
export function attachSkLookup(program: HasFd, path: string): Link {
  return attach(program, path, BPF_SK_LOOKUP, "programs that look up sockets", "5.9");
}

/**
 * Attaches a program that finds the parts of a packet (Linux 5.7): one a namespace, and none while the first namespace has
 * one.
 *
 * @param program A BPF_PROG_TYPE_FLOW_DISSECTOR program.
 * @param path A network namespace: `/proc/PID/ns/net`, `/run/netns/NAME`.
 * @throws {SyscallError} There is no such file, or the kernel refuses.
 */
export function attachFlowDissector(program: HasFd, path: string): Link {
  return attach(program, path, BPF_FLOW_DISSECTOR, "links to flow dissectors", "5.7");
}

/** `SEC("sk_lookup")`; the target is the path of a network namespace. */
export const skLookup: AttachWay = {
  attach: (program, { target }) => attachSkLookup(program, target),
};

/** `SEC("flow_dissector")`; the target is the path of a network namespace. */
export const flowDissector: AttachWay = {
  attach: (program, { target }) => attachFlowDissector(program, target),
};
