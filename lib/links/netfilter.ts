/**
 * Programs at the hooks of netfilter, beside the rules of nftables and iptables.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { linkCreate } from "../sys/bpf.ts";
import { netfilterOptions } from "../sys/link_options.ts";
import { type AttachWay, type HasFd, Link } from "./link.ts";
import { explainRefusal } from "./refusal.ts";

const BPF_NETFILTER = 45, BPF_F_NETFILTER_IP_DEFRAG = 1;
// NFPROTO_* and NF_INET_*
const FAMILIES: Readonly<Record<NetfilterPlace["family"], number>> = { ipv4: 2, ipv6: 10 };
const HOOKS: Readonly<Record<NetfilterPlace["hook"], number>> = {
  pre_routing: 0,
  local_in: 1,
  forward: 2,
  local_out: 3,
  post_routing: 4,
};

/** Where packets pass. */
export interface NetfilterPlace {
  /** Of which protocol. */
  readonly family: "ipv4" | "ipv6";
  /** On which way. */
  readonly hook: "pre_routing" | "local_in" | "forward" | "local_out" | "post_routing";
  /** When: programs and rules of lower priority run first. 0 if not given; the lowest and the highest are the kernel's. */
  readonly priority?: number;
  /** Fragments are put together first (6.6); then the priority must be above -400. */
  readonly defragment?: boolean;
}

/**
 * Attaches a program to a hook of netfilter in this thread's network namespace (Linux 6.4).
 *
 * @param program A BPF_PROG_TYPE_NETFILTER program; its result is NF_DROP 0 or NF_ACCEPT 1.
 * @param place Where.
 * @throws {DetraceError} The kernel has no such links; {@link SyscallError} if it refuses: EBUSY where a program has the
 * same priority.
 */
export function attachNetfilter(program: HasFd, place: NetfilterPlace): Link {
  const tail = netfilterOptions({
    family: FAMILIES[place.family],
    hook: HOOKS[place.hook],
    priority: place.priority ?? 0,
    flags: place.defragment ? BPF_F_NETFILTER_IP_DEFRAG : 0,
  });
  try {
    return new Link("link", [linkCreate({ progFd: program.fd, attachType: BPF_NETFILTER }, tail)]);
  } catch (error) {
    throw explainRefusal(error, "links to netfilter", "6.4", "CONFIG_NETFILTER_BPF_LINK");
  }
}

/** `SEC("netfilter")`; the target is `FAMILY/HOOK` or `FAMILY/HOOK/PRIORITY`: `ipv4/local_in/-100`. */
export const netfilter: AttachWay = {
  attach(program, { target }) {
    const [family = "", hook = "", priority = "0"] = target.split("/");
    if (!Object.hasOwn(FAMILIES, family) || !Object.hasOwn(HOOKS, hook) || !/^-?\d+$/.test(priority)) {
      throw new DetraceError(`"${target}" is no place of netfilter`, {
        hint: `a place is FAMILY/HOOK or FAMILY/HOOK/PRIORITY with ${Object.keys(FAMILIES)}; ${
          Object.keys(HOOKS)
        }`,
      });
    }
    return attachNetfilter(program, { family, hook, priority: Number(priority) } as NetfilterPlace);
  },
};
