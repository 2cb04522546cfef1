import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Assembler, DW, R0, R6 } from "detrace/lib/asm/assembler.ts";
import { Elf } from "detrace/lib/elf/elf.ts";
import { DetraceError } from "detrace/lib/error.ts";
import { attachUsdt } from "detrace/lib/links/usdt.ts";
import { buildSpec } from "detrace/lib/object/build.ts";
import { BpfObject } from "detrace/lib/object/object.ts";
import { ALL_PARTS, openObject } from "detrace/lib/object/open.ts";
import { VerifierError } from "detrace/lib/programs/verifier_error.ts";
import { usdtSites } from "detrace/lib/symbols/usdt.ts";
import { ARCH } from "detrace/lib/sys/door.ts";
import { kernelVersion } from "detrace/lib/sys/process.ts";
import { rootTest } from "../root.ts";
import { call, counter, LIBRARY } from "./library.ts";

const fixture = (name: string) => new URL(`../fixtures/links/${name}`, import.meta.url).pathname;
const hasCookies = () => kernelVersion() >= 0x050f00;

async function load(sleepable = false): Promise<BpfObject> {
  const object = openObject(Deno.readFileSync(fixture("usdt.bpf.o")), "usdt");
  object.spec.programs.get("sleepable")!.autoload = sleepable;
  return await object.load();
}

/** What the program saw last: values, and errors below zero in place of those that it could not read. */
function seen(object: BpfObject) {
  const bss = object.data(".bss"), at = (name: string) => object.spec.globals.get(name)!.offset;
  const values = Array.from({ length: 16 }, (_, i) => {
    const error = bss.getInt32(at("errors") + 4 * i, true);
    const value = bss.getBigInt64(at("values") + 8 * i, true);
    return error === 0 ? value : { error, value };
  });
  return {
    values,
    count: bss.getUint32(at("count"), true),
    hits: bss.getUint32(at("hits"), true),
    cookie: bss.getBigUint64(at("cookie"), true),
    second: bss.getBigInt64(at("second"), true),
  };
}

const target = (name: string) => `${LIBRARY}:detrace:${name}`;
const none = { error: -2, value: 0n }, beyond = { error: -95, value: 0n };
const pad = (values: unknown[]) => [...values, ...Array(16 - values.length).fill(none)];

const expected: Record<"registers" | "constants" | "memory" | "sums" | "beyond", bigint[]> = {
  registers: [
    ...[-0x778899aabbccddefn, -2n, 0x80000003n, -0x7ffffffdn, 0x8004n, -0x7ffcn, 0x85n, -123n],
    ...[ARCH === "x86" ? 0x22n : 0n, 0xfffffffan, 7n, -1n],
  ],
  constants: [5n, -5n, 0xffffffffn, -1n, 65535n, -1n, 255n, -128n, 16n, 7n, 8n, -1n],
  memory: [0x1122334455667788n, -3n, 0xfffffffdn, -32767n, 0xa5n, -9n, 10n, 0x2010n, 0x3ff8000000000000n],
  sums: ARCH === "x86"
    ? [
      ...[-0x7f8f9fafbfcfdff0n, -3n, 0x11223344n, 0xa5n, 0x3ff8000000000000n],
      ...[0x1122334455667788n, -3n, 0xfffffffdn],
    ]
    : [-0x7f8f9fafbfcfdff0n, -3n, 0x11223344n, 0x66n, -3n],
  beyond: [],
};

for (const probe of ["registers", "constants", "memory", "sums"] as const) {
  rootTest(`a USDT program reads its arguments from ${probe}`, async () => {
    using object = await load();
    object.attachProgram("all", target(probe), { pid: Deno.pid });
    object.attachProgram("one", target(probe), { pid: Deno.pid });
    call[probe]();
    const { values, count, hits, second } = seen(object);
    assertEquals(values, pad(expected[probe]));
    assertEquals([count, hits, second], [expected[probe].length, 1, expected[probe][1]]);
  });
}

rootTest("a USDT argument that is out of reach gives an error and the others are read", async () => {
  using object = await load();
  object.attachProgram("all", target("beyond"), { pid: Deno.pid });
  call.beyond();
  const { values, count } = seen(object);
  assertEquals(values, pad([...Array(11).fill(beyond), 1n]));
  assertEquals(count, 14);
});

rootTest("a USDT argument in memory is read up to its last byte and not beyond", async () => {
  using object = await load();
  object.attachProgram("all", target("pointer"), { pid: Deno.pid });
  const { symbols: libc } = Deno.dlopen("libc.so.6", {
    mmap: { parameters: ["usize", "usize", "i32", "i32", "i32", "i64"], result: "usize" },
    munmap: { parameters: ["usize", "usize"], result: "i32" },
    memset: { parameters: ["usize", "i32", "usize"], result: "usize" },
  });
  const size = 65536n, start = libc.mmap(0n, 2n * size, 3, 0x22, -1, 0n);
  assertEquals(libc.munmap(start + size, size), 0);
  libc.memset(start, 0x5a, size);
  call.pointer(start + size - 1n);
  const { values } = seen(object);
  assertEquals(values.slice(0, 3), [0x5an, { error: -14, value: 0n }, start + size - 1n]);
  call.pointer(0n);
  assertEquals(seen(object).values[0], { error: -14, value: 0n });
  libc.munmap(start, size);
  if (ARCH === "x86") {
    // The address of a symbol, and that of the probe: as far from each other as in the file.
    const elf = Elf.parse(Deno.readFileSync(LIBRARY));
    const [site] = usdtSites(elf, (_, name) => name === "pointer");
    const [symbol] = elf.symbols("dynamic", (name) => name === "first_site");
    assertEquals((values[4] as bigint) - (values[3] as bigint), BigInt(site!.address - symbol!.value));
  }
});

rootTest(
  "a USDT probe is attached at all its places, each with its own arguments, and the user's cookie",
  async () => {
    using object = await load();
    using link = object.attachProgram("all", target("sites"), { pid: Deno.pid, cookie: 0xfedcba9876543210n });
    assertEquals(link.parts.length, 3);
    for (
      const [i, [site, value]] of ([["first_site", 10n], ["second_site", 20n], ["third_site", 10n]] as const)
        .entries()
    ) {
      call[site]();
      const { values, hits, cookie } = seen(object);
      assertEquals([values[0], hits, cookie], [value, i + 1, 0xfedcba9876543210n]);
    }
    // Equal arguments share a spec.
    const spec = (key: number) =>
      object.maps.get("usdt_specs")!.get(new Uint8Array(Uint32Array.of(key).buffer))!;
    assertEquals([1, 2, 3].map((key) => spec(key)[8]), [1, 1, 0]);

    link.close();
    call.first_site();
    assertEquals(seen(object).hits, 3);
  },
);

rootTest("a section says where a USDT program goes, and one without a target is not attached", async () => {
  using object = openObject(Deno.readFileSync(fixture("usdt.bpf.o")), "usdt");
  object.spec.programs.get("all")!.target = target("far");
  (await object.load()).attach();
  assertEquals(object.links.length, 1);
  call.far();
  assertEquals([seen(object).values[0], seen(object).hits], [20n, 1]);
});

rootTest("specs are refused when the map is full, and taken again once nobody uses them", async () => {
  using object = await load();
  const attach = (cookie: bigint) =>
    object.attachProgram("all", target("guarded"), { pid: Deno.pid, cookie });
  if (!hasCookies()) {
    attach(1n);
    // One place can have one spec.
    assertThrows(
      () => attach(2n),
      DetraceError,
      "does not tell the places of these probes apart (Linux 5.15 does)",
    );
    return;
  }
  const links = [attach(1n), attach(2n), attach(3n)];
  assertThrows(() => attach(4n), DetraceError, "the USDT probes have arguments in more than 3 ways");
  links[1]!.close();
  attach(4n);
  attach(4n);
  links[0]!.close();
  links[2]!.close();
  call.guarded();
  assertEquals([seen(object).cookie, seen(object).hits, seen(object).values[0]], [4n, 2, 10n]);
});

rootTest(
  "two USDT probes whose addresses end alike are told apart, or refused where the kernel cannot",
  async () => {
    using object = await load();
    object.attachProgram("all", target("near"), { pid: Deno.pid });
    if (!hasCookies()) {
      const attach = () => object.attachProgram("one", target("far"), { pid: Deno.pid });
      assertThrows(attach, DetraceError, "does not tell the places of these probes apart (Linux 5.15 does)");
      call.near();
      assertEquals(seen(object).values[0], 10n);
      return;
    }
    object.attachProgram("all", target("far"), { pid: Deno.pid });
    call.near();
    assertEquals(seen(object).values[0], 10n);
    call.far();
    assertEquals([seen(object).values[0], seen(object).hits], [20n, 2]);
  },
);

rootTest("a USDT probe's semaphore is raised for as long as the probe is attached", async () => {
  const { value } = counter();
  using object = await load();
  assertEquals(value(), 0);
  for (const pid of [Deno.pid, undefined]) {
    const link = object.attachProgram("all", target("guarded"), { pid });
    assert(value() > 0);
    call.guarded();
    assertEquals(seen(object).values[0], 10n);
    link.close();
    assertEquals(value(), 0);
  }
});

rootTest("a sleepable program reads USDT arguments, too", async () => {
  // No sleepable programs at uprobes before Linux 6.0.
  if (kernelVersion() < 0x060000) return void await assertRejects(() => load(true), VerifierError);
  using object = await load(true);
  object.attachProgram("sleepable", target("memory"), { pid: Deno.pid });
  call.memory();
  assertEquals(seen(object).values, pad(expected.memory));
});

rootTest("a USDT program without the maps of usdt.bpf.h gets its cookie as the BPF cookie", async () => {
  const code = new Assembler().call(174).loadData(R6, ".bss", 0).stx(DW, R6, 0, R0).mov(R0, 0).exit();
  const spec = buildSpec({
    name: "plain",
    data: { ".bss": new Uint8Array(8) },
    programs: { plain: { section: `usdt/${target("near")}`, code } },
  });
  using object = new BpfObject(spec, ALL_PARTS);
  // No cookies before Linux 5.15.
  if (!hasCookies()) return void await assertRejects(() => object.load(), VerifierError);
  await object.load();
  using _link = attachUsdt(object.programs.get("plain")!, {
    path: LIBRARY,
    provider: "detrace",
    name: "near",
    pid: Deno.pid,
    cookie: 77n,
  });
  call.near();
  assertEquals(object.data(".bss").getBigUint64(0, true), 77n);
});

rootTest("a USDT probe that is not there is refused with a sentence, and known not to be there", async () => {
  using object = await load();
  const attach = (text: string) => () => object.attachProgram("all", text);
  assertThrows(attach(target("nowhere")), DetraceError, "there is no USDT probe detrace:nowhere");
  assertThrows(attach("/no/such/file:a:b"), DetraceError, "there is no file /no/such/file");
  assertThrows(attach("no-such-program:a:b"), DetraceError, "there is no program or library no-such-program");
  assertThrows(attach(`${LIBRARY}:near`), DetraceError, "is no target of a USDT probe");
  const broken = Deno.makeTempFileSync();
  try {
    const bytes = Deno.readFileSync(LIBRARY);
    const notes = Elf.parse(bytes).section(".note.stapsdt")!;
    bytes[notes.offset + 4] = 0xff; // the first note is longer
    bytes[notes.offset + 5] = 0xff;
    Deno.writeFileSync(broken, bytes);
    assertThrows(
      attach(`${broken}:detrace:near`),
      DetraceError,
      `${broken}: this ELF file has a USDT probe that is cut`,
    );
  } finally {
    Deno.removeSync(broken);
  }
  assertEquals(object.links.length, 0);

  for (const [name, there] of [["near", true], ["nowhere", false]] as const) {
    const other = openObject(Deno.readFileSync(fixture("usdt.bpf.o")), "usdt");
    const program = other.spec.programs.get("all")!;
    program.target = target(name);
    assertEquals([other.keepIfPresent("all"), program.autoload], [there, there]);
  }
});
