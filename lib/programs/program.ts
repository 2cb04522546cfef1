/**
 * Loaded programs, and loading with the verifier's log when the kernel says no.
 *
 * @module
 */

import {
  fdById,
  objGet,
  objGetInfo,
  objPin,
  progLoad,
  type ProgLoadAttr,
  progTestRun,
  type ProgTestRunAttr,
  type ProgTestRunResult,
} from "../sys/bpf.ts";
import { closeFd } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import type { VerifierErrorOptions } from "./verifier_error.ts";

const LOG_START = 1 << 16;
const LOG_LIMIT = 1 << 26;
const ENOSPC = 28;

/** struct bpf_prog_info. */
function describe(fd: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(232);
  objGetInfo(fd, bytes);
  return bytes;
}

/** A program in the kernel. Whoever holds it owns its descriptor; links keep the program alive on their own. */
export class Program implements Disposable {
  /** The program's name. */
  readonly name: string;
  #fd: number;

  /** Takes over a descriptor: `fd` of a loaded program, and the `name` for messages. */
  constructor(fd: number, name: string) {
    this.#fd = fd;
    this.name = name;
  }

  /** Takes over a descriptor of a loaded program and asks the kernel for its name. @throws {SyscallError} */
  static fromFd(fd: number): Program {
    try {
      const name = describe(fd).subarray(64, 80);
      return new Program(fd, new TextDecoder().decode(name).split("\0", 1)[0]!);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
  }

  /** Opens the program with this id; undefined if there is none. @throws {SyscallError} */
  static fromId(id: number): Program | undefined {
    const fd = fdById("prog", id);
    return fd === undefined ? undefined : Program.fromFd(fd);
  }

  /** Opens the program pinned at a path of a bpf file system. @throws {SyscallError} */
  static fromPin(path: string): Program {
    return Program.fromFd(objGet(path));
  }

  /** The file descriptor, -1 once it is closed. */
  get fd(): number {
    return this.#fd;
  }

  /** The most asked for of what the kernel knows of it; `programInfo()` of info.ts has the rest. @throws {SyscallError} */
  info(): {
    id: number;
    type: number;
    tag: string;
    runTimeNs: bigint;
    runCount: bigint;
    verifiedInsns: number;
  } {
    const bytes = describe(this.#fd);
    const view = new DataView(bytes.buffer);
    return {
      type: view.getUint32(0, true),
      id: view.getUint32(4, true),
      tag: bytes.subarray(8, 16).toHex(),
      runTimeNs: view.getBigUint64(192, true),
      runCount: view.getBigUint64(200, true),
      verifiedInsns: view.getUint32(216, true),
    };
  }

  /**
   * Runs it without an event (BPF_PROG_TEST_RUN; which types can, and with what packet and context: the kernel's choice).
   *
   * @throws {SyscallError}
   */
  testRun(options: ProgTestRunAttr = {}): ProgTestRunResult {
    return progTestRun(this.#fd, options);
  }

  /** Gives it a name in a bpf file system. @throws {SyscallError} */
  pin(path: string): void {
    objPin(this.#fd, path);
  }

  /** Closes the descriptor. */
  close(): void {
    if (this.#fd >= 0) closeFd(this.#fd);
    this.#fd = -1;
  }

  /** The same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Loads a program. The verifier writes its log only if the first, silent attempt fails: the log is what costs time.
 *
 * @param attr As for bpf(2); `log` and `logLevel` are set here.
 * @param explain What turns the log into an explanation: source lines, and the reasons of poisoned relocations. Asked only
 *   for a program that is refused.
 * @returns The program, owned by the caller.
 * @throws {VerifierError} If the kernel refuses it.
 */
export async function loadProgram(
  attr: ProgLoadAttr,
  explain?: () => Promise<Pick<VerifierErrorOptions, "line" | "poisons" | "since" | "advise">>,
): Promise<Program> {
  const name = attr.name ?? "";
  try {
    return new Program(progLoad(attr), name);
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    let log = "", error = cause;
    // A log that does not fit ends in ENOSPC and is cut short at the end, where the cause stands: so it must fit.
    for (let size = LOG_START; size <= LOG_LIMIT && cause.code !== "EPERM"; size *= 8) {
      const buffer = new Uint8Array(size);
      try {
        return new Program(progLoad({ ...attr, log: buffer, logLevel: 1 }), name);
      } catch (again) {
        if (!(again instanceof SyscallError)) throw again;
        const end = buffer.indexOf(0);
        log = new TextDecoder().decode(buffer.subarray(0, end < 0 ? size : end));
        if (again.errno !== ENOSPC) {
          error = again;
          break;
        }
      }
    }
    const { VerifierError } = await import("./verifier_error.ts");
    throw new VerifierError({ ...await explain?.(), program: name, errno: error.code, log });
  }
}
