/**
 * BPF programs for the tests of lib/maps, written in assembly, so that no compiler is needed, and run with
 * BPF_PROG_TEST_RUN, so that nothing is traced.
 *
 * @module
 */

import { assert } from "@std/assert";
import { Assembler, DW, R0, R1, R10, R2, R3, R4, R5, R6, R7, R8 } from "../../lib/asm/assembler.ts";
import { progLoad, progTestRun } from "../../lib/sys/bpf.ts";
import { Fd } from "../../lib/sys/door.ts";
import { readDir, readLink } from "../../lib/sys/file.ts";
import { getuid } from "../../lib/sys/process.ts";

/** Open descriptors: all, or those of BPF and perf events alone. */
function descriptors(all: boolean): number {
  return readDir("/proc/self/fd").filter((fd) => {
    try {
      return all || /bpf|perf_event/.test(readLink(`/proc/self/fd/${fd}`));
    } catch {
      return false; // that of the directory itself
    }
  }).length;
}

/** A test that needs root, and that leaves no descriptor open. `worker`: it has one, whose descriptors stay a while. */
export function rootTest(name: string, fn: () => void | Promise<void>, worker = false): void {
  Deno.test({
    name: `${name} (root)`,
    ignore: getuid() !== 0,
    async fn() {
      const before = descriptors(!worker);
      await fn();
      // Fewer is no leak: what an earlier test's worker had open is closed when its thread ends.
      const after = descriptors(!worker);
      assert(after <= before, `${after} open descriptors after the test, ${before} before`);
    },
  });
}

const BPF_PROG_TYPE_RAW_TRACEPOINT = 17;
const BPF_FUNC_MAP_LOOKUP = 1;
const BPF_FUNC_PERF_EVENT_OUTPUT = 25;
const BPF_FUNC_GET_STACKID = 27;
const BPF_FUNC_RINGBUF_OUTPUT = 130;
const BPF_FUNC_RINGBUF_RESERVE = 131;
const BPF_FUNC_RINGBUF_SUBMIT = 132;
const BPF_FUNC_RINGBUF_DISCARD = 133;

// Not BPF_PROG_TYPE_SYSCALL, which came with 5.14.
function load(a: Assembler): Fd {
  return new Fd(progLoad({ type: BPF_PROG_TYPE_RAW_TRACEPOINT, insns: a.build().insns, license: "GPL" }));
}

/** Runs a program once; it returns how many records there was no room for. */
export function run(program: Fd): number {
  return progTestRun(program.fd).retval;
}

/**
 * Writes `count` records, whose first u64 counts from 0 over all runs (kept in `counter`, an array with one u64), and
 * whose size is `sizes` in turn (multiples of 8 from 8 to 256). Returns the number of failures.
 */
export function writer(ring: { fd: number }, counter: { fd: number }, count: number, sizes: number[]): Fd {
  const a = new Assembler();
  for (let i = 8; i <= 256; i += 8) a.stx(DW, R10, -i, i);
  a.stx(DW, R10, -264, 0);
  a.loadMapFd(R1, counter.fd).mov(R2, R10).alu("+=", R2, -264).call(BPF_FUNC_MAP_LOOKUP);
  a.jump("==", R0, 0, "out");
  a.mov(R8, R0).mov(R6, 0).mov(R7, 0);
  a.label("loop");
  sizes.forEach((size, i) => {
    a.ldx(DW, R1, R8, 0).stx(DW, R10, -size, R1).alu("+=", R1, 1).stx(DW, R8, 0, R1);
    a.loadMapFd(R1, ring.fd).mov(R2, R10).alu("+=", R2, -size).mov(R3, size).mov(R4, 0);
    a.call(BPF_FUNC_RINGBUF_OUTPUT).jump("==", R0, 0, `ok${i}`).alu("+=", R7, 1).label(`ok${i}`);
    a.stx(DW, R10, -size, size);
  });
  a.alu("+=", R6, sizes.length).jump("<", R6, count, "loop");
  a.mov(R0, R7).exit();
  a.label("out").mov(R0, -1).exit();
  return load(a);
}

/** Reserves `count` records of 8 bytes that hold 0, 1, 2, ...; submits the even ones and discards the odd ones. */
export function discarder(ring: { fd: number }, count: number): Fd {
  const a = new Assembler();
  a.mov(R6, 0);
  a.label("loop");
  a.loadMapFd(R1, ring.fd).mov(R2, 8).mov(R3, 0).call(BPF_FUNC_RINGBUF_RESERVE);
  a.jump("==", R0, 0, "out");
  a.stx(DW, R0, 0, R6).mov(R1, R0).mov(R2, 0);
  a.mov(R3, R6).alu("&=", R3, 1).jump("!=", R3, 0, "odd");
  a.call(BPF_FUNC_RINGBUF_SUBMIT).goto("next");
  a.label("odd").call(BPF_FUNC_RINGBUF_DISCARD);
  a.label("next").alu("+=", R6, 1).jump("<", R6, count, "loop");
  a.label("out").mov(R0, 0).exit();
  return load(a);
}

/** Writes the value of an array's only entry, `size` bytes of it, to a ring buffer. Returns -1 where there is no room. */
export function copier(ring: { fd: number }, array: { fd: number }, size: number): Fd {
  const a = new Assembler();
  a.stx(DW, R10, -8, 0);
  a.loadMapFd(R1, array.fd).mov(R2, R10).alu("+=", R2, -8).call(BPF_FUNC_MAP_LOOKUP);
  a.jump("==", R0, 0, "out");
  a.mov(R2, R0).loadMapFd(R1, ring.fd).mov(R3, size).mov(R4, 0).call(BPF_FUNC_RINGBUF_OUTPUT);
  a.jump("s<", R0, 0, "out").mov(R0, 0).exit();
  a.label("out").mov(R0, -1).exit();
  return load(a);
}

/**
 * Writes `count` samples of `size` bytes (a multiple of 8, to 256) to a perf event array, on the processor it runs on; the
 * first u64 counts from 0. Returns the number of failures.
 */
export function perfWriter(map: { fd: number }, count: number, size: number): Fd {
  const a = new Assembler();
  a.mov(R8, R1);
  for (let i = 8; i <= size; i += 8) a.stx(DW, R10, -i, i);
  a.mov(R6, 0).mov(R7, 0);
  a.label("loop").stx(DW, R10, -size, R6);
  a.mov(R1, R8).loadMapFd(R2, map.fd).mov32(R3, -1); // BPF_F_CURRENT_CPU
  a.mov(R4, R10).alu("+=", R4, -size).mov(R5, size).call(BPF_FUNC_PERF_EVENT_OUTPUT);
  a.jump("==", R0, 0, "ok").alu("+=", R7, 1);
  a.label("ok").alu("+=", R6, 1).jump("<", R6, count, "loop");
  a.mov(R0, R7).exit();
  return load(a);
}

/** Runs a raw tracepoint program once on a processor. */
export function runOn(program: Fd, cpu: number): number {
  return progTestRun(program.fd, { flags: 1, cpu }).retval;
}

/** Stores the kernel's stack in a stack map and returns its id. */
export function stackWriter(map: { fd: number }): Fd {
  const a = new Assembler();
  a.loadMapFd(R2, map.fd).mov(R3, 0).call(BPF_FUNC_GET_STACKID).exit();
  return load(a);
}
