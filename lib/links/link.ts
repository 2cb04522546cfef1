/**
 * A link: a program attached to something, for as long as the link is open.
 *
 * @module
 */

import { linkCreate, linkDetach, objGetInfo, objPin } from "../sys/bpf.ts";
import { closeFd } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { perfEventDisable, perfEventEnable, perfEventSetBpf } from "../sys/perf_event.ts";

const BPF_PERF_EVENT = 41;

/** A program that is attached. Closing the link detaches it, unless the link is pinned. */
export class Link implements Disposable {
  /** How it is attached: `link` a bpf link, `perf_event` an event of its own (kernels before 5.15). */
  readonly kind: "link" | "perf_event";
  #fds: number[];

  /** Takes over descriptors; the first is the link's or the event's. */
  constructor(kind: "link" | "perf_event", fds: number[]) {
    this.kind = kind;
    this.#fds = fds;
  }

  /** The link's file descriptor, -1 once it is closed. */
  get fd(): number {
    return this.#fds[0] ?? -1;
  }

  /** The kernel's number for it; undefined for a perf event. @throws {SyscallError} */
  get id(): number | undefined {
    if (this.kind !== "link" || this.fd < 0) return undefined;
    const info = new Uint8Array(16); // struct bpf_link_info: u32 type, id, prog_id
    objGetInfo(this.fd, info);
    return new DataView(info.buffer).getUint32(4, true);
  }

  /**
   * Detaches at once, even while others hold the link open. Kinds of link that cannot are closed instead.
   */
  detach(): void {
    if (this.kind === "link" && this.fd >= 0) {
      try {
        linkDetach(this.fd);
      } catch (error) {
        if (!(error instanceof SyscallError)) throw error;
      }
    }
    this.close();
  }

  /** Keeps it attached beyond this process, under a name in a bpf file system. @throws {SyscallError} */
  pin(path: string): void {
    objPin(this.fd, path);
  }

  /** Closes it, and with it detaches the program. */
  close(): void {
    if (this.kind === "perf_event" && this.fd >= 0) perfEventDisable(this.fd);
    for (const fd of this.#fds.splice(0)) closeFd(fd);
  }

  /** The same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Runs a program at a perf event: with a bpf link (5.15), else by the event's ioctl.
 *
 * @param eventFd The event; it belongs to the link from now on, and is closed if this fails.
 * @param progFd The program.
 * @param cookie What `bpf_get_attach_cookie()` gives (5.15).
 * @throws {SyscallError}
 */
export function attachPerfEvent(eventFd: number, progFd: number, cookie?: bigint): Link {
  try {
    try {
      const fd = linkCreate({
        progFd,
        targetFd: eventFd,
        attachType: BPF_PERF_EVENT,
        ...(cookie === undefined ? {} : { cookie }),
      });
      return new Link("link", [fd, eventFd]);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "EINVAL" || cookie) throw error;
    }
    perfEventSetBpf(eventFd, progFd);
    perfEventEnable(eventFd);
    return new Link("perf_event", [eventFd]);
  } catch (error) {
    closeFd(eventFd);
    throw error;
  }
}
