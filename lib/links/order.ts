/**
 * The order of programs at one place: a cgroup, the two ends of a network interface.
 *
 * @module
 */

import type { Buffer } from "../sys/door.ts";
import { orderOptions } from "../sys/link_options.ts";
import { type HasFd, Link } from "./link.ts";

const BPF_F_BEFORE = 1 << 3, BPF_F_AFTER = 1 << 4, BPF_F_LINK = 1 << 13;

/** Where a program runs among those that are attached already; without it, last. */
export interface Order {
  /** Before another's link or program, or before all. */
  readonly before?: HasFd | "all";
  /** Right after another's link or program. */
  readonly after?: HasFd;
}

/** An order as BPF_LINK_CREATE takes it; nothing where none is given. */
export function orderAttributes({ before, after }: Order): { flags: number; tail: Buffer } | undefined {
  const other = before ?? after;
  if (!other) return undefined;
  const side = before ? BPF_F_BEFORE : BPF_F_AFTER;
  if (other === "all") return { flags: side, tail: orderOptions({}) };
  return {
    flags: side | (other instanceof Link ? BPF_F_LINK : 0),
    tail: orderOptions({ relative: other.fd }),
  };
}
