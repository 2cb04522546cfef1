import { assert, assertEquals, assertThrows } from "@std/assert";
import { Assembler, R0, R1, R2 } from "detrace/lib/asm/assembler.ts";
import { BtfBuilder } from "detrace/lib/btf/build.ts";
import { DetraceError } from "detrace/lib/error.ts";
import { attachKprobe } from "detrace/lib/links/kprobe.ts";
import { attachKprobeMulti } from "detrace/lib/links/kprobe_multi.ts";
import { type HasFd, Link } from "detrace/lib/links/link.ts";
import { attachPerfEvents } from "detrace/lib/links/perf_event.ts";
import { attachRawTracepoint, attachTracepoint } from "detrace/lib/links/tracepoint.ts";
import { attachUprobe } from "detrace/lib/links/uprobe.ts";
import { attachUprobeMulti } from "detrace/lib/links/uprobe_multi.ts";
import { BPF_MAP_TYPE_HASH } from "detrace/lib/maps/types.ts";
import { buildSpec } from "detrace/lib/object/build.ts";
import { BpfObject } from "detrace/lib/object/object.ts";
import { ALL_PARTS } from "detrace/lib/object/open.ts";
import {
  btfs,
  type LinkDetails,
  linkInfo,
  links,
  mapInfo,
  maps,
  programInfo,
  programInstructions,
  programs,
} from "detrace/lib/programs/info.ts";
import { Program } from "detrace/lib/programs/program.ts";
import { RunStatistics } from "detrace/lib/programs/statistics.ts";
import { SyscallError } from "detrace/lib/sys/errno.ts";
import { open } from "detrace/lib/sys/file.ts";
import { clock, CLOCK_BOOTTIME, kernelVersion } from "detrace/lib/sys/process.ts";
import { withBpffs } from "../object/bpffs.ts";
import { rootTest } from "../maps/programs.ts";

/** What /proc says of a descriptor. */
function fdinfo({ fd }: HasFd): Record<string, string> {
  const lines = Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`).trim().split("\n");
  return Object.fromEntries(lines.map((line) => line.split(/:\s+/) as [string, string]));
}

/** An object with a program of types and a map. */
function sample(): BpfObject {
  const types = new BtfBuilder();
  const int = types.addInt("int", 4, { signed: true }), u64 = types.addInt("long", 8);
  const fn = types.addFunc("counts", types.addFuncProto(int, [{ name: "ctx", type: types.addPtr(0) }]), 1);
  const code = new Assembler().loadMap(R1, "some_map").mov(R2, 1).mov(R0, 3).exit();
  return new BpfObject(
    buildSpec({
      name: "sample",
      btf: types.build(),
      programs: { counts: { section: "raw_tp", code, typeId: fn } },
      maps: {
        some_map: {
          ...{ type: BPF_MAP_TYPE_HASH, keySize: 4, valueSize: 8, maxEntries: 7, flags: 1 },
          ...{ keyTypeId: int, valueTypeId: u64 },
        },
      },
    }),
    ALL_PARTS,
  );
}

rootTest("of a program the kernel says what it is, who loaded it, when, and what it uses", async () => {
  const before = clock(CLOCK_BOOTTIME);
  using object = await sample().load();
  const program = object.programs.get("counts")!, map = object.maps.get("some_map")!;
  const info = programInfo(program.fd), said = fdinfo(program);
  assertEquals([info.name, info.type, info.uid, info.ifindex], ["counts", 17, 0, 0]);
  assertEquals([`${info.id}`, info.tag], [said.prog_id!, said.prog_tag!]);
  assertEquals(info.mapIds, [map.id]);
  assert(info.loadTime >= before && info.loadTime <= clock(CLOCK_BOOTTIME));
  assertEquals([info.gplCompatible, info.attachBtfId, info.runCount], [true, 0, 0n]);
  assertEquals(`${info.verifiedInsns}`, said.verified_insns ?? "0");
  assertEquals(info.xlatedLength, 5 * 8);
  assert(info.btfId > 0);

  const insns = programInstructions(program.fd), view = new DataView(insns.buffer);
  assertEquals(insns.length, 40);
  // The map by its id (BPF_PSEUDO_MAP_FD), then r2 = 1; r0 = 3; exit.
  assertEquals([insns[0], view.getUint32(4, true)], [0x18, map.id]);
  assertEquals([...insns.subarray(16)], [
    ...[0xb7, 2, 0, 0, 1, 0, 0, 0],
    ...[0xb7, 0, 0, 0, 3, 0, 0, 0],
    ...[0x95, 0, 0, 0, 0, 0, 0, 0],
  ]);

  const found = [...programs()].find(({ id }) => id === info.id);
  assertEquals(found, info);
  assert([...btfs()].some(({ id, kernelBtf, size }) => id === info.btfId && !kernelBtf && size > 100));
});

rootTest("of a map the kernel says what it was made with", async () => {
  using object = await sample().load();
  const map = object.maps.get("some_map")!, info = mapInfo(map.fd), said = fdinfo(map);
  assertEquals(
    [info.id, info.type, info.keySize, info.valueSize, info.maxEntries].map(String),
    [said.map_id!, said.map_type!, said.key_size!, said.value_size!, said.max_entries!],
  );
  assertEquals([info.name, info.flags, Number(said.map_flags)], ["some_map", 1, 1]);
  assertEquals([info.btfKeyTypeId, info.btfValueTypeId, info.extra], [1, 2, 0n]);
  assertEquals(info.btfId, programInfo(object.programs.get("counts")!.fd).btfId);
  assertEquals([...maps()].find(({ id }) => id === info.id), info);
});

rootTest("the kernel's own types are among the BTF objects (5.11)", () => {
  const vmlinux = [...btfs()].filter(({ name }) => name === "vmlinux");
  if (kernelVersion() < 0x050b00) assertEquals(vmlinux, []);
  else {
    assertEquals(vmlinux.map(({ kernelBtf }) => kernelBtf), [true]);
    assertEquals(vmlinux[0]!.size, Deno.statSync("/sys/kernel/btf/vmlinux").size);
  }
});

rootTest("a program is found by its id and by its path", async () => {
  using object = await sample().load();
  const program = object.programs.get("counts")!, { id } = program.info();
  using same = Program.fromId(id)!;
  assertEquals([same.name, same.info().id, same.testRun().retval], ["counts", id, 3]);
  assertEquals(Program.fromId(0x7fffffff), undefined);
  withBpffs((directory) => {
    program.pin(`${directory}/program`);
    using pinned = Program.fromPin(`${directory}/program`);
    assertEquals([pinned.name, pinned.info().id], ["counts", id]);
    Deno.removeSync(`${directory}/program`);
    assertEquals(assertThrows(() => Program.fromPin(`${directory}/program`), SyscallError).code, "ENOENT");
  });
  assertThrows(() => Program.fromFd(open("/dev/null")), SyscallError);
});

rootTest("programs that vanish while all are gone through are left out", async () => {
  const objects = await Promise.all(Array.from({ length: 20 }, () => sample().load()));
  const ids = objects.map((object) => object.programs.get("counts")!.info().id);
  const seen: number[] = [];
  for (const { id } of programs()) {
    if (!ids.includes(id)) continue;
    seen.push(id);
    for (const object of objects) object.close();
  }
  // The kernel frees a program a little after its last descriptor is closed.
  assert(seen.length >= 1 && seen.length <= ids.length);
  assertEquals(seen[0], Math.min(...ids));
});

rootTest("run time and count are counted while somebody wants them", async () => {
  using object = await sample().load();
  const program = object.programs.get("counts")!;
  const counted = () => {
    using statistics = new RunStatistics();
    for (let i = 0; i < 10; i++) program.testRun();
    return statistics.of(program);
  };
  const first = counted();
  assertEquals([first.count, first.missed], [10n, 0n]);
  assert(first.timeNs > 0n && first.timeNs < 10_000_000_000n, `${first.timeNs} ns`);
  assertEquals(counted().count, 20n);
  const { runCount, runTimeNs } = program.info();
  assertEquals(runCount, 20n);
  const said = fdinfo(program);
  assertEquals([said.run_cnt, said.run_time_ns], ["20", `${runTimeNs}`]);
});

rootTest("a test run gives back the packet, the context, and how long they are", async () => {
  // Cuts the packet to 20 bytes.
  const skb_change_tail = 38;
  const code = new Assembler();
  code.mov(R2, 20).raw(0xb7, 3, 0, 0, 0).call(skb_change_tail).mov(R0, 7).exit();
  const spec = buildSpec({ name: "packets", programs: { cut: { section: "tc", code } } });
  using object = await new BpfObject(spec, ALL_PARTS).load();
  const dataIn = new Uint8Array(64).fill(9), dataOut = new Uint8Array(100), ctxOut = new Uint8Array(300);
  const ctxIn = new Uint8Array(192);
  new DataView(ctxIn.buffer).setUint32(8, 55, true); // struct __sk_buff: mark
  const result = object.programs.get("cut")!.testRun({ dataIn, dataOut, ctxIn, ctxOut, repeat: 1 });
  assertEquals([result.retval, result.dataLength], [7, 20]);
  assertEquals(dataOut.subarray(0, 20), dataIn.subarray(0, 20));
  assertEquals(dataOut[20], 0);
  assert(result.ctxLength >= 176, `${result.ctxLength}`);
  assertEquals(new DataView(ctxOut.buffer).getUint32(8, true), 55);
  const small = new Uint8Array(10);
  const error = assertThrows(
    () => object.programs.get("cut")!.testRun({ dataIn, dataOut: small }),
    SyscallError,
  );
  assertEquals(error.code, "ENOSPC");
});

/** Loads a program of a section, attaches it, and gives what the kernel says of the link; undefined for what is no link. */
async function attached(
  section: string,
  attach: (program: Program) => Link,
): Promise<LinkDetails | undefined> {
  const code = new Assembler().mov(R0, 0).exit();
  const spec = buildSpec({ name: "attached", programs: { attached: { section, code } } });
  using object = await new BpfObject(spec, ALL_PARTS).load();
  const program = object.programs.get("attached")!;
  using link = attach(program);
  const one = link.parts[0] ?? link;
  if (one.kind !== "link") return undefined;
  const info = linkInfo(one.fd), said = fdinfo(one);
  assertEquals([info.id, info.programId], [Number(said.link_id), program.info().id]);
  assertEquals(info.programId, Number(said.prog_id));
  assertEquals([...links()].find(({ id }) => id === info.id), info);
  return info;
}

rootTest("of a link to a raw tracepoint the kernel says its name", async () => {
  const cookie = kernelVersion() >= 0x061100 ? 77n : undefined;
  const link = await attached(
    "raw_tp",
    (program) => attachRawTracepoint(program, "sched_switch", { cookie }),
  );
  assertEquals(link?.target, { kind: "raw_tracepoint", tracepoint: "sched_switch", cookie: cookie ?? 0n });
});

rootTest("of a link to a tracepoint by its arguments the kernel says whose type it is", async () => {
  const code = new Assembler().mov(R0, 0).exit();
  const spec = buildSpec({ name: "typed", programs: { typed: { section: "tp_btf/sched_switch", code } } });
  using object = await new BpfObject(spec, ALL_PARTS).load();
  using link = object.attachProgram("typed");
  const { target } = linkInfo(link.fd), { attachBtfId } = programInfo(object.programs.get("typed")!.fd);
  if (target.kind === "raw_tracepoint") {
    // Before 5.18 or so this is a link to the tracepoint.
    assertEquals(target.tracepoint, "sched_switch");
  } else {
    assert(target.kind === "tracing");
    assertEquals([target.attachType, target.targetBtfId], [23, attachBtfId]);
  }
});

/** What a link to a perf event is attached to; kernels before 6.6 do not tell. */
async function perfTarget(section: string, attach: (program: Program) => Link): Promise<unknown> {
  const link = await attached(section, attach);
  if (!link) {
    assert(kernelVersion() < 0x050f00);
    return undefined;
  }
  assertEquals(link.type, 7);
  if (kernelVersion() >= 0x060600) return link.target;
  assertEquals(link.target, { kind: "perf_event", event: "unknown", type: 0, config: 0n, cookie: 0n });
}

/** Cookies of perf events: 5.15; the kernel tells them from 6.8 on. */
const cookie = kernelVersion() >= 0x060800 ? 99n : undefined;

rootTest("of a link to a tracepoint the kernel says its name (6.6)", async () => {
  const target = await perfTarget(
    "tracepoint",
    (program) => attachTracepoint(program, "sched/sched_switch", { cookie }),
  );
  if (!target) return;
  assertEquals(target, {
    kind: "perf_event",
    event: "tracepoint",
    tracepoint: "sched_switch",
    cookie: cookie ?? 0n,
  });
});

rootTest("of a link to a perf event the kernel says which (6.6)", async () => {
  const target = await perfTarget(
    "perf_event",
    (program) =>
      attachPerfEvents(program, { software: "page-faults", period: 1000 }, { pid: Deno.pid, cookie }),
  );
  if (!target) return;
  // PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS
  assertEquals(target, { kind: "perf_event", event: "event", type: 1, config: 2n, cookie: cookie ?? 0n });
});

for (const retprobe of [false, true]) {
  rootTest(
    `of a link to a ${retprobe ? "kretprobe" : "kprobe"} the kernel says the function (6.6)`,
    async () => {
      let target;
      try {
        target = await perfTarget(
          "kprobe",
          (program) => attachKprobe(program, "vfs_statfs", { retprobe, cookie }),
        );
      } catch (error) {
        // A kernel without kprobes.
        if (error instanceof DetraceError && error.message.includes("no kprobes")) {
          return;
        }
        throw error;
      }
      if (!target) return;
      const { address, missed, ...rest } = target as { address: bigint; missed: bigint };
      assertEquals(rest as unknown, {
        ...{ kind: "perf_event", event: retprobe ? "kretprobe" : "kprobe" },
        ...{ function: "vfs_statfs", offset: 0, cookie: cookie ?? 0n },
      });
      assertEquals([address > 0xffff000000000000n, missed], [true, 0n]);
    },
  );

  rootTest(
    `of a link to a ${retprobe ? "uretprobe" : "uprobe"} the kernel says file and place (6.6)`,
    async () => {
      const target = await perfTarget(
        "uprobe",
        (program) => attachUprobe(program, "libc.so.6:getpgid", { retprobe, cookie, pid: Deno.pid }),
      );
      if (!target) return;
      const { path, offset, ...rest } = target as { path: string; offset: number };
      assert(path.endsWith("libc.so.6") && offset > 0x1000, `${path} ${offset}`);
      assertEquals(rest as unknown, {
        ...{ kind: "perf_event", event: retprobe ? "uretprobe" : "uprobe" },
        ...{ refCounterOffset: 0n, cookie: cookie ?? 0n },
      });
    },
  );
}

rootTest("of a link to many functions the kernel says their addresses (6.6)", async () => {
  let link;
  try {
    link = await attached(
      "kprobe.multi",
      (program) =>
        attachKprobeMulti(program, ["vfs_statfs", "vfs_rmdir"], { retprobe: true, cookies: [5n, 6n] }),
    );
  } catch (error) {
    // 5.18, and CONFIG_FPROBE.
    if (error instanceof DetraceError && error.message.includes("this kernel has no")) return;
    throw error;
  }
  const { target } = link!;
  assert(target.kind === "kprobe_multi");
  if (kernelVersion() < 0x060600) return assertEquals([target.addresses, target.cookies], [[], []]);
  assertEquals([target.addresses.length, target.flags, target.missed], [2, 1, 0n]);
  assert(target.addresses.every((address) => address > 0xffff000000000000n));
  if (kernelVersion() >= 0x060900) assertEquals([...target.cookies].sort(), [5n, 6n]);
});

rootTest("of a link to many places of a file the kernel says file and places (6.8)", async () => {
  if (kernelVersion() < 0x060600) return; // no such links
  const link = await attached(
    "uprobe.multi",
    (program) =>
      attachUprobeMulti(program, { path: "libc.so.6", symbols: ["getpgid", "getsid"] }, {
        cookies: [5n, 6n],
        pid: Deno.pid,
      }),
  );
  const { target } = link!;
  assert(target.kind === "uprobe_multi");
  if (kernelVersion() < 0x060800) return assertEquals([target.path, target.offsets], ["", []]);
  assert(target.path.endsWith("libc.so.6"), target.path);
  assertEquals([target.offsets.length, target.cookies, target.refCounterOffsets], [2, [5n, 6n], [0n, 0n]]);
  assertEquals([target.flags, target.pid], [0, Deno.pid]);
});
