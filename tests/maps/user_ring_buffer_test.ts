import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Assembler, DW, R0, R1, R10, R2, R3, R4, R5, R6 } from "../../lib/asm/assembler.ts";
import { helperId } from "../../lib/asm/helpers.ts";
import { BtfBuilder } from "../../lib/btf/build.ts";
import { DetraceError } from "../../lib/error.ts";
import { BPF_MAP_TYPE_USER_RINGBUF } from "../../lib/maps/types.ts";
import { UserRingBuffer } from "../../lib/maps/user_ring_buffer.ts";
import { buildSpec } from "../../lib/object/build.ts";
import { BpfObject } from "../../lib/object/object.ts";
import { ALL_PARTS } from "../../lib/object/open.ts";
import { kernelVersion } from "../../lib/sys/process.ts";
import { rootTest } from "./programs.ts";

const SIZE = 4096;

/**
 * `drain` takes out all records and returns how many there were. Of each it adds the first u64 to the first word of `.bss`,
 * and 1 to the second where there were no 8 bytes.
 */
function drainer(): BpfObject {
  const types = new BtfBuilder();
  const int = types.addInt("int", 4, { signed: true }), pointer = types.addPtr(0);
  const program = types.addFunc("drain", types.addFuncProto(int, [{ name: "ctx", type: pointer }]), 1);
  const take = types.addFunc(
    "take",
    types.addFuncProto(types.addInt("long", 8, { signed: true }), [
      { name: "record", type: pointer },
      { name: "ctx", type: pointer },
    ]),
    0,
  );
  const main = new Assembler();
  main.loadMap(R1, "ring").loadFunction(R2, "take").mov(R3, 0).mov(R4, 0);
  main.call(helperId("bpf_user_ringbuf_drain")!).exit();
  const callback = new Assembler();
  callback.loadData(R6, ".bss", 0).stx(DW, R10, -8, 0);
  callback.mov(R3, R1).mov(R1, R10).alu("+=", R1, -8).mov(R2, 8).mov(R4, 0).mov(R5, 0);
  callback.call(helperId("bpf_dynptr_read")!).jump("!=", R0, 0, "short");
  callback.ldx(DW, R1, R10, -8).ldx(DW, R2, R6, 0).alu("+=", R2, R1).stx(DW, R6, 0, R2).goto("out");
  callback.label("short").ldx(DW, R2, R6, 8).alu("+=", R2, 1).stx(DW, R6, 8, R2);
  callback.label("out").mov(R0, 0).exit();
  return new BpfObject(
    buildSpec({
      name: "drainer",
      btf: types.build(),
      programs: { drain: { section: "raw_tp", code: main, typeId: program } },
      functions: { take: { code: callback, typeId: take } },
      maps: { ring: { type: BPF_MAP_TYPE_USER_RINGBUF, maxEntries: SIZE } },
      data: { ".bss": new Uint8Array(16) },
    }),
    ALL_PARTS,
  );
}

const u64 = (value: bigint) => new Uint8Array(BigUint64Array.of(value).buffer);

function userRingTest(name: string, fn: (object: BpfObject, ring: UserRingBuffer) => void): void {
  rootTest(name, async () => {
    using object = drainer();
    if (kernelVersion() < 0x060100) {
      await assertRejects(() => object.load(), DetraceError, "user ring buffers, which Linux 6.1 brought");
      return;
    }
    await object.load();
    using ring = new UserRingBuffer(object.maps.get("ring")!.fd, SIZE);
    fn(object, ring);
  });
}

/** Runs the drainer: how many records it took, and the sum of their numbers since the start. */
function drain(object: BpfObject): [taken: number, sum: bigint, short: bigint] {
  const taken = object.programs.get("drain")!.testRun().retval;
  const data = object.data(".bss");
  return [taken, data.getBigUint64(0, true), data.getBigUint64(8, true)];
}

userRingTest(
  "a program gets what is written to a user ring buffer, in all turns of the ring",
  (object, ring) => {
    assertEquals(drain(object), [0, 0n, 0n]);
    let sum = 0n, next = 1n;
    for (let turn = 0; turn < 20; turn++) {
      const lengths = [8, 9, 100, 1000, 8];
      for (const length of lengths) {
        const record = new Uint8Array(length);
        record.set(u64(next));
        assertEquals(ring.write(record), true);
        sum += next++;
      }
      assertEquals(ring.pending, 16 + 24 + 112 + 1008 + 16);
      assertEquals(drain(object), [lengths.length, sum, 0n]);
      assertEquals(ring.pending, 0);
    }
  },
);

userRingTest("a full ring takes nothing until the program has made room", (object, ring) => {
  let written = 0;
  while (ring.write(u64(1n))) written++;
  assertEquals([written, ring.pending], [SIZE / 16, SIZE]);
  assertEquals(drain(object), [written, BigInt(written), 0n]);
  const biggest = new Uint8Array(SIZE - 8);
  biggest.set(u64(5n));
  assertEquals([ring.write(biggest), ring.write(new Uint8Array())], [true, false]);
  assertEquals(drain(object), [1, BigInt(written) + 5n, 0n]);
  assertEquals(ring.write(new Uint8Array()), true);
  assertEquals(drain(object)[2], 1n);
});

userRingTest(
  "a reserved record holds back those behind it, and a discarded one is skipped",
  (object, ring) => {
    const first = ring.reserve(8)!, second = ring.reserve(8)!;
    ring.write(u64(4n));
    first.set(u64(1n));
    second.set(u64(2n));
    assertEquals(drain(object), [0, 0n, 0n]);
    ring.submit(first);
    assertEquals(drain(object), [1, 1n, 0n]);
    ring.discard(second);
    assertEquals(drain(object), [1, 5n, 0n]);
    for (const wrong of [first, second, u64(1n)]) {
      assertThrows(
        () => ring.submit(wrong),
        DetraceError,
        "no reserved",
      );
    }
  },
);

userRingTest("another producer goes on where the first one ended", (object, ring) => {
  ring.write(u64(1n));
  ring.dispose();
  ring.dispose();
  assertThrows(() => ring.write(u64(1n)), DetraceError, "is disposed of");
  assertEquals(ring.pending, 0);
  using other = new UserRingBuffer(object.maps.get("ring")!.fd, SIZE);
  assertEquals(other.pending, 16);
  other.write(u64(2n));
  assertEquals(drain(object), [2, 3n, 0n]);
});

userRingTest("records that never fit, and sizes that no ring has, are refused", (object, ring) => {
  for (const length of [SIZE - 7, -1, 1.5, NaN]) {
    assertThrows(() => ring.reserve(length), DetraceError, `up to ${SIZE - 8}`);
  }
  const { fd } = object.maps.get("ring")!;
  for (const size of [0, 100, 4097, 2 ** 31]) assertThrows(() => new UserRingBuffer(fd, size), DetraceError);
  assertThrows(() => new UserRingBuffer(fd, 2 * SIZE), DetraceError, "mmap user ring buffer");
});
