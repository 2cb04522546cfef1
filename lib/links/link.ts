/**
 * A link: a program attached to something, for as long as the link is open.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import type { BpfMap } from "../maps/map.ts";
import { linkCreate, linkDetach, linkUpdate, objGetInfo, objPin } from "../sys/bpf.ts";
import { closeFd } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { perfEventDisable, perfEventEnable, perfEventSetBpf } from "../sys/perf_event.ts";

const BPF_PERF_EVENT = 41;

/** What can be attached: anything with a program's descriptor. */
export interface HasFd {
  /** File descriptor of a loaded program. */
  readonly fd: number;
}

/** What a way of attaching is told beyond the program. */
export interface AttachRequest {
  /** How: the section's first word in its full form, `kretprobe`. */
  readonly way: string;
  /** Where to: the rest of the section's name, or what stands in its place. */
  readonly target: string;
  /** The attach type that the program was loaded with. */
  readonly attachType: number;
  /** What `bpf_get_attach_cookie()` gives (5.15). */
  readonly cookie?: bigint | undefined;
  /** Only in this process, for the ways that can. */
  readonly pid?: number | undefined;
  /** The maps of the program's object, which some ways need (USDT). */
  readonly maps: ReadonlyMap<string, BpfMap>;
}

/** A way of attaching by a section's name. */
export interface AttachWay {
  /** Attaches. @throws {DetraceError} Without the program's name, which the object adds. */
  readonly attach: (program: HasFd, request: AttachRequest) => Link;
  /** Whether the running kernel has what a target names; a way without it cannot know before it tries. */
  readonly present?: (request: AttachRequest) => boolean;
  /** A target may be empty: the program was loaded for what it attaches to. */
  readonly targetless?: boolean;
}

/** How a link holds on: see {@link Link.kind}. */
export type LinkKind = "link" | "perf_event" | "call" | "table" | "group";

/**
 * Which of several ways to the same a link took: see {@link Link.through}. `PMU`: a perf event of the kernel's own probe PMU;
 * `tracefs`: a probe made there; `clsact`: a filter of traffic control; `setsockopt`: an option of a socket; `attach`:
 * BPF_PROG_ATTACH.
 */
export type LinkRoute = "PMU" | "tracefs" | "clsact" | "setsockopt" | "attach";

/** A program that is attached. Closing the link detaches it, unless the link is pinned. */
export class Link implements Disposable {
  /**
   * How it is attached: `link` a bpf link, `perf_event` an event of its own (kernels before 5.15), `call` by a call
   * that closing undoes (a message to the network's configuration, a socket's option), `table` by the value of a map
   * (struct_ops), `group` by several links at once.
   */
  readonly kind: LinkKind;
  /** The links of a `group`. */
  readonly parts: readonly Link[];
  /** By which route, where kernels differ or `kind` does not tell; undefined for all others, and for a `group`. */
  readonly through: LinkRoute | undefined;
  #fds: number[];
  #cleanup: (() => void) | undefined;

  /**
   * Takes over descriptors.
   *
   * @param kind How it is attached.
   * @param fds The first is the link's or the event's.
   * @param options `cleanup` is called once, when the descriptors are closed; `parts` are closed with it; `through`: see
   *   {@link Link.through}.
   */
  constructor(
    kind: LinkKind,
    fds: number[],
    options: { cleanup?: () => void; parts?: readonly Link[]; through?: LinkRoute } = {},
  ) {
    this.kind = kind;
    this.#fds = fds;
    this.#cleanup = options.cleanup;
    this.parts = options.parts ?? [];
    this.through = options.through;
  }

  /** The link's file descriptor, -1 once it is closed or if it has none. */
  get fd(): number {
    return this.#fds[0] ?? -1;
  }

  /** The kernel's number for it; undefined for what is no bpf link. @throws {SyscallError} */
  get id(): number | undefined {
    return this.info()?.id;
  }

  /**
   * What the kernel says of it; undefined for what is no bpf link. `type` is BPF_LINK_TYPE_*, the ids are those of the link
   * and of its program, `bytes` the whole struct bpf_link_info for the rest.
   *
   * @throws {SyscallError}
   */
  info(): { type: number; id: number; programId: number; bytes: DataView } | undefined {
    if (this.kind !== "link" || this.fd < 0) return undefined;
    const bytes = new DataView(new ArrayBuffer(88));
    objGetInfo(this.fd, new Uint8Array(bytes.buffer));
    const [type, id, programId] = [0, 4, 8].map((at) => bytes.getUint32(at, true)) as [
      number,
      number,
      number,
    ];
    return { type, id, programId, bytes };
  }

  /** Puts another program in the place of this one (5.7; only some kinds of link). @throws {SyscallError} */
  update(program: HasFd): void {
    linkUpdate(this.fd, program.fd);
  }

  /**
   * Detaches at once, even while others hold the link open. Kinds of link that cannot are closed instead.
   */
  detach(): void {
    for (const part of this.parts) part.detach();
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
    for (const part of this.parts) part.close();
    if (this.kind === "perf_event" && this.fd >= 0) perfEventDisable(this.fd);
    for (const fd of this.#fds.splice(0)) closeFd(fd);
    this.#cleanup?.();
    this.#cleanup = undefined;
  }

  /** The same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Attaches at several places: all of them, or none.
 *
 * @param places Where.
 * @param attach Attaches at one.
 * @returns The only link, or a group of them.
 */
export function attachAll<T>(places: Iterable<T>, attach: (place: T) => Link): Link {
  const links: Link[] = [];
  try {
    for (const place of places) links.push(attach(place));
  } catch (error) {
    for (const link of links) link.close();
    throw error;
  }
  return links.length === 1 ? links[0]! : new Link("group", [], { parts: links });
}

/**
 * Runs a program at a perf event: with a bpf link (5.15), else by the event's ioctl.
 *
 * @param eventFd The event; it belongs to the link from now on, and is closed if this fails.
 * @param progFd The program.
 * @param options `cookie`: what `bpf_get_attach_cookie()` gives (5.15). `cleanup`: called when the link is closed, or if
 *   this fails. `through`: see {@link Link.through}.
 * @throws {DetraceError} A cookie is not to be had; {@link SyscallError} if the kernel refuses.
 */
export function attachPerfEvent(
  eventFd: number,
  progFd: number,
  options: { cookie?: bigint | undefined; cleanup?: () => void; through?: LinkRoute } = {},
): Link {
  const { cookie, ...rest } = options;
  try {
    try {
      const fd = linkCreate({ progFd, targetFd: eventFd, attachType: BPF_PERF_EVENT, cookie });
      return new Link("link", [fd, eventFd], rest);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "EINVAL") throw error;
    }
    perfEventSetBpf(eventFd, progFd);
    if (cookie) throw new DetraceError("this kernel has no cookies for perf events (Linux 5.15)");
    perfEventEnable(eventFd);
    return new Link("perf_event", [eventFd], rest);
  } catch (error) {
    closeFd(eventFd);
    rest.cleanup?.();
    throw error;
  }
}
