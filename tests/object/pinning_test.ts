import { assert, assertEquals, assertRejects } from "@std/assert";
import { Assembler, R0, R1, R2, W } from "detrace/lib/asm/assembler.ts";
import { DetraceError } from "detrace/lib/error.ts";
import { BpfMap } from "detrace/lib/maps/map.ts";
import {
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_ARRAY_OF_MAPS,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_PERF_EVENT_ARRAY,
  BPF_MAP_TYPE_RINGBUF,
} from "detrace/lib/maps/types.ts";
import { buildSpec, type SpecSource } from "detrace/lib/object/build.ts";
import { BpfObject } from "detrace/lib/object/object.ts";
import { ALL_PARTS } from "detrace/lib/object/open.ts";
import { pinning } from "detrace/lib/object/pinning.ts";
import { VerifierError } from "detrace/lib/programs/verifier_error.ts";
import { rootTest } from "../maps/programs.ts";
import { withBpffs } from "./bpffs.ts";

const u32 = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);
const hash = { type: BPF_MAP_TYPE_HASH, keySize: 4, valueSize: 4, maxEntries: 8 };

function object(maps: SpecSource["maps"], more: Partial<SpecSource> = {}, parts = ALL_PARTS): BpfObject {
  return new BpfObject(buildSpec({ name: "pinned", programs: {}, maps: maps ?? {}, ...more }), parts);
}

/** A test with a bpf file system at a directory. */
function pinTest(name: string, fn: (pinRoot: string) => Promise<void>): void {
  rootTest(name, () => withBpffs(fn));
}

/** What is in a directory, but for what the kernel puts there itself. */
const names = (directory: string) =>
  [...Deno.readDirSync(directory)].map(({ name }) => name).filter((name) => !name.endsWith(".debug")).sort();

pinTest("objects that pin a map by name share it, and it outlives them", async (pinRoot) => {
  const make = () => object({ shared: { ...hash, pinByName: true }, own: hash });
  {
    using first = await make().load({ pinRoot }), second = await make().load({ pinRoot });
    const [a, b] = [first, second].map((one) => one.maps.get("shared")!) as [BpfMap, BpfMap];
    assertEquals(a.id, b.id);
    a.set(u32(1), u32(11));
    assertEquals(b.get(u32(1)), u32(11));
    assert(first.maps.get("own")!.id !== second.maps.get("own")!.id);
    assertEquals(names(pinRoot), ["shared"]);
  }
  using third = await make().load({ pinRoot });
  assertEquals(third.maps.get("shared")!.get(u32(1)), u32(11));
});

pinTest("what is pinned there and does not fit is refused and left alone", async (pinRoot) => {
  using first = await object({ shared: { ...hash, pinByName: true } }).load({ pinRoot });
  for (
    const [change, what] of [
      [{ type: BPF_MAP_TYPE_ARRAY }, "type"],
      [{ keySize: 8 }, "size of keys"],
      [{ valueSize: 12 }, "size of values"],
      [{ maxEntries: 9 }, "number of entries"],
      [{ flags: 1 }, "flags"],
    ] as const
  ) {
    const other = object({ before: hash, shared: { ...hash, ...change, pinByName: true } });
    const error = await assertRejects(
      () => other.load({ pinRoot }),
      DetraceError,
      `map shared: what is pinned at ${pinRoot}/shared has another ${what}`,
    );
    assertEquals(error.hint, "remove that file if nothing uses it any more");
  }
  using same = BpfMap.fromPin(`${pinRoot}/shared`);
  assertEquals(same.id, first.maps.get("shared")!.id);
});

pinTest("a failed loading takes its own pins away, and no others", async (pinRoot) => {
  using _first = await object({ old: { ...hash, pinByName: true } }).load({ pinRoot });
  const bad = object({ old: { ...hash, pinByName: true }, new: { ...hash, pinByName: true } }, {
    programs: { bad: { section: "raw_tp", code: new Assembler().mov(R0, R2).exit() } },
  });
  await assertRejects(() => bad.load({ pinRoot }), VerifierError);
  assertEquals(names(pinRoot), ["old"]);
});

pinTest("a map is pinned at a path of its own, in a directory that is made for it", async (pinRoot) => {
  const pinPath = `${pinRoot}/tools/counts`;
  using first = await object({ first: { ...hash, pinPath } }).load();
  using second = await object({ second: { ...hash, pinPath } }).load();
  assertEquals(first.maps.get("first")!.id, second.maps.get("second")!.id);
  assertEquals(names(`${pinRoot}/tools`), ["counts"]);
  using third = object({ third: { ...hash, pinPath: `${pinRoot}/no/such/directory` } });
  await assertRejects(() => third.load(), DetraceError, "cannot pin map third");
});

pinTest("two objects that are loaded at the same time share the map of the quicker one", async (pinRoot) => {
  using quick = object({ shared: { ...hash, pinByName: true } });
  let asked = 0;
  // While the slow one makes its map, the quick one does all.
  const find: typeof pinning.find = (map, options) => {
    if (asked++) return pinning.find(map, options);
    const made = BpfMap.create(hash);
    pinning.pin(map, made, options);
    made.set(u32(1), u32(5));
    made.close();
  };
  using slow = object({ shared: { ...hash, pinByName: true } }, {}, {
    ...ALL_PARTS,
    pinning: { ...pinning, find },
  });
  await slow.load({ pinRoot });
  await quick.load({ pinRoot });
  assertEquals([asked, slow.maps.get("shared")!.get(u32(1))], [2, u32(5)]);
  assertEquals(quick.maps.get("shared")!.id, slow.maps.get("shared")!.id);
});

pinTest(
  "global variables and the slots of a map of maps keep what they have in a pinned map",
  async (pinRoot) => {
    const make = (value: number) => {
      const one = object(
        {
          outer: {
            ...{ type: BPF_MAP_TYPE_ARRAY_OF_MAPS, keySize: 4, valueSize: 4, maxEntries: 2, pinByName: true },
            inner: object({ inner: hash }).spec.maps.get("inner")!,
            values: new Map([[1, "slot"]]),
          },
          slot: hash,
        },
        {
          data: { ".data": u32(value) },
          programs: {
            next: {
              section: "raw_tp",
              code: new Assembler().loadData(R1, ".data", 0).ldx(W, R0, R1, 0).alu("+=", R0, 1).stx(
                W,
                R1,
                0,
                R0,
              )
                .exit(),
            },
          },
        },
      );
      one.spec.maps.get(".data")!.pinByName = true;
      return one;
    };
    using first = await make(100).load({ pinRoot });
    assertEquals(names(pinRoot), ["_data", "outer"]);
    assertEquals(first.programs.get("next")!.testRun().retval, 101);
    using second = await make(200).load({ pinRoot });
    assertEquals(second.data(".data").getUint32(0, true), 101);
    assertEquals(second.programs.get("next")!.testRun().retval, 102);
    assertEquals(first.data(".data").getUint32(0, true), 102);
    const inner = () => new DataView(second.maps.get("outer")!.get(u32(1))!.buffer).getUint32(0, true);
    assertEquals(inner(), first.maps.get("slot")!.id);
  },
);

pinTest("maps whose sizes depend on the machine are found again", async (pinRoot) => {
  const make = () =>
    object({
      ring: { type: BPF_MAP_TYPE_RINGBUF, maxEntries: 5000, pinByName: true },
      events: { type: BPF_MAP_TYPE_PERF_EVENT_ARRAY, pinByName: true },
      devices: { type: BPF_MAP_TYPE_DEVMAP, keySize: 4, valueSize: 4, maxEntries: 2, pinByName: true },
    });
  using first = await make().load({ pinRoot }), second = await make().load({ pinRoot });
  for (const name of ["ring", "events", "devices"]) {
    assertEquals(first.maps.get(name)!.id, second.maps.get(name)!.id);
    assertEquals(first.maps.get(name)!.maxEntries, second.maps.get(name)!.maxEntries);
  }
  assert(first.maps.get("ring")!.maxEntries >= 8192);
  assert(first.maps.get("events")!.maxEntries >= 1);
});

rootTest("an object uses a map that is open already, and leaves it open", async () => {
  using map = BpfMap.create({ ...hash, name: "given" });
  {
    using user = object({ counts: { ...hash, reuse: map } });
    await user.load();
    assertEquals(user.maps.get("counts")!.id, map.id);
    user.maps.get("counts")!.set(u32(2), u32(4));
  }
  assertEquals(map.get(u32(2)), u32(4));
  const other = object({ counts: { ...hash, valueSize: 8, reuse: map } });
  await assertRejects(
    () => other.load(),
    DetraceError,
    "map counts: the one to be used has another size of values",
  );
  assertEquals(map.get(u32(2)), u32(4));
});

rootTest(
  "where there is no bpf file system, the error says how to get one, and nothing is left",
  async () => {
    const directory = Deno.makeTempDirSync();
    try {
      for (const pinPath of [`${directory}/map`, `${directory}/new/map`]) {
        const wrong = object({ map: { ...hash, pinPath } });
        const error = await assertRejects(
          () => wrong.load(),
          DetraceError,
          `cannot pin map map at ${pinPath}`,
        );
        assertEquals(error.hint, "this needs a bpf file system: mount -t bpf bpf /sys/fs/bpf");
      }
      assertEquals(names(directory), []);
    } finally {
      Deno.removeSync(directory);
    }
  },
);

rootTest("an object without the part that pins says so", async () => {
  const bare = object({ shared: { ...hash, pinByName: true } }, {}, {});
  await assertRejects(() => bare.load(), DetraceError, "pinned is opened without what pins maps");
});
