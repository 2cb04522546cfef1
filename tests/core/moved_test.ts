import { assert, assertEquals } from "@std/assert";
import { BTF_KIND_ENUM, BTF_KIND_STRUCT } from "detrace/lib/btf/btf.ts";
import { loadKernelBtf } from "detrace/lib/btf/kernel.ts";
import { readIterator } from "detrace/lib/links/iterator.ts";
import type { BpfObject } from "detrace/lib/object/object.ts";
import { openObject } from "detrace/lib/object/open.ts";
import { Fd } from "detrace/lib/sys/door.ts";
import { open } from "detrace/lib/sys/file.ts";
import { kernelVersion } from "detrace/lib/sys/process.ts";
import { withCgroup } from "../links/cgroups.ts";
import { global, setGlobal } from "../links/fixture.ts";
import { rootTest } from "../root.ts";

const since = (major: number, minor: number) => kernelVersion() >= (major << 16) + (minor << 8);
const SCHED_RESET_ON_FORK = 0x40000000;

/** The one object, with one of its programs. */
async function moved(program: string): Promise<BpfObject> {
  const bytes = Deno.readFileSync(new URL("../fixtures/core/moved.bpf.o", import.meta.url));
  const object = openObject(bytes, "moved");
  for (const { name } of object.spec.programs.values()) {
    object.spec.programs.get(name)!.autoload = name === program;
  }
  return await object.load();
}

/** A global variable that is text. */
function text(object: BpfObject, name: string): string {
  const { map, offset, size } = object.spec.globals.get(name)!;
  const { buffer, byteOffset } = object.data(map);
  return new TextDecoder().decode(new Uint8Array(buffer, byteOffset + offset, size)).replace(/\0.*/s, "");
}

/** The fields of /proc/PID/stat by their numbers in proc(5). */
function stat(pid: number): (field: number) => string {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").trim().split(" ");
  return (field) => fields[field - 3]!;
}

/** Waits until a process is in a state. */
async function untilState(pid: number, state: string): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end;) {
    if (stat(pid)(3) === state) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`process ${pid} is not in state ${state}`);
}

rootTest("what moved in a process is read as the kernel tells it", () =>
  withCgroup(async (cgroup) => {
    using object = await moved("process");
    const link = object.attach().links[0]!;
    const look = (pid: number) => {
      setGlobal(object, "wanted", pid);
      readIterator(link);
    };
    const number = (name: string) => Number(global(object, name));
    const { symbols: libc } = Deno.dlopen("libc.so.6", {
      sched_setscheduler: { parameters: ["i32", "i32", "buffer"], result: "i32" },
    });
    const child = new Deno.Command("sleep", { args: ["1000"] }).spawn();
    const { pid } = child;
    try {
      Deno.writeTextFileSync(`${cgroup}/cgroup.procs`, `${pid}`);
      await untilState(pid, "S");
      look(pid);
      const field = stat(pid);
      assertEquals([number("pid"), number("tgid"), text(object, "comm")], [pid, pid, "sleep"]);
      assertEquals(number("state") & 0xff, 1, "TASK_INTERRUPTIBLE");
      assertEquals([number("parent"), number("group")], [field(4), field(5)].map(Number));
      assertEquals(Math.floor(number("start") / 1e7), Number(field(22)), "in ticks of 10 ms");
      assertEquals([number("processor"), number("running")], [Number(field(39)), 0]);

      // A bit of a bitfield, off and on.
      assertEquals([number("reset_on_fork"), number("executes")], [0, 0]);
      assertEquals(libc.sched_setscheduler(pid, SCHED_RESET_ON_FORK, new Uint8Array(4)), 0);
      look(pid);
      assertEquals([number("reset_on_fork"), number("executes")], [1, 0]);

      // Of cgroups, inode numbers are the numbers that the kernel knows them by.
      const parent = cgroup.replace(/\/[^/]*$/, ""), path = cgroup.slice(parent.length);
      assert(Deno.readTextFileSync(`/proc/${pid}/cgroup`).includes(`0::${path}\n`));
      assertEquals(text(object, "cgroup_name"), path.slice(1));
      assertEquals(number("cgroup_id"), Deno.statSync(cgroup).ino);
      assertEquals(number("cgroup_parent"), Deno.statSync(parent).ino);
      assertEquals([number("cgroup_root"), number("cgroup_level")], [number("cgroup_parent"), 1]);

      // The controller at the index that the enum's value is. Newer kernels list each at one of these places alone.
      const has = ["/proc/cgroups", `${parent}/cgroup.controllers`]
        .some((list) => /\bmemory\b/.test(Deno.readTextFileSync(list)));
      assertEquals([number("has_memory"), text(object, "controller")], has ? [1, "memory"] : [0, ""]);

      child.kill("SIGSTOP");
      await untilState(pid, "T");
      look(pid);
      assertEquals(number("state") & 0xff, 4, "__TASK_STOPPED");
    } finally {
      child.kill("SIGKILL");
      await child.status;
    }

    // Pages in memory: processors keep some of the count to themselves.
    const resident = () => Number(Deno.readTextFileSync("/proc/self/statm").split(" ")[1]);
    const before = resident();
    look(Deno.pid);
    const pages = number("pages"), after = resident();
    const about = 3 * 64 * navigator.hardwareConcurrency;
    assert(pages >= Math.min(before, after) - about && pages <= Math.max(before, after) + about);
  }));

rootTest("what moved in an open file is read as the kernel tells it", async () => {
  using object = await moved("opened");
  // Not on an overlay, whose inodes are not those that stat shows.
  const path = await Deno.makeTempFile({ dir: "/dev/shm", prefix: "detrace-" });
  const { symbols: libc } = Deno.dlopen("libc.so.6", { dup: { parameters: ["i32"], result: "i32" } });
  try {
    Deno.writeTextFileSync(path, "x".repeat(1237));
    using file = new Fd(open(path));
    setGlobal(object, "descriptor", file.fd);
    const look = () => {
      object.programs.get("opened")!.testRun();
      return Number(global(object, "references"));
    };
    assertEquals(look(), 1);
    const { ino, size, dev } = Deno.statSync(path);
    // User space splits the number of the device otherwise than the kernel.
    const device = Number(global(object, "device")), [major, minor] = [device >> 20, device & 0xfffff];
    assertEquals((minor & 0xff) + major * 256 + (minor >> 8) * 2 ** 20, dev);
    assertEquals([Number(global(object, "inode")), Number(global(object, "size"))], [ino, size]);
    assertEquals(`/dev/shm/${text(object, "name")}`, path);
    const nanoseconds = Number(global(object, "nanoseconds"));
    assert(nanoseconds < 1e9);
    // Deno tells whole seconds alone.
    const { stdout } = await new Deno.Command("stat", { args: ["--format=%.9Z", path] }).output();
    const changed = `${global(object, "seconds")}.${String(nanoseconds).padStart(9, "0")}`;
    assertEquals(changed, new TextDecoder().decode(stdout).trim());
    using _again = new Fd(libc.dup(file.fd));
    assertEquals(look(), 2);
  } finally {
    await Deno.remove(path);
  }
});

rootTest("what there is, how large and where is what the kernel's own types say", async () => {
  using object = await moved("sizes");
  object.programs.get("sizes")!.testRun();
  const number = (name: string) => Number(global(object, name));
  const btf = loadKernelBtf();
  const struct = (name: string) => btf.find(name, BTF_KIND_STRUCT);
  const member = (id: number, name: string) => {
    const i = Array.from({ length: btf.memberCount(id) }, (_, i) => btf.memberName(id, i)).indexOf(name);
    return i < 0 ? undefined : { bytes: btf.memberBitOffset(id, i) / 8, type: btf.memberType(id, i) };
  };
  const task = struct("task_struct")!, state = member(task, "__state") ?? member(task, "state")!;
  assertEquals([number("size_of_task"), number("offset_of_comm")], [
    btf.sizeOf(task),
    member(task, "comm")!.bytes,
  ]);
  assertEquals([number("size_of_state"), btf.sizeOf(state.type)], since(5, 14) ? [4, 4] : [8, 8]);

  const types = btf.find("bpf_map_type", BTF_KIND_ENUM)!;
  const values = Array.from({ length: btf.vlen(types) }, (_, i) => btf.enumName(types, i));
  const most = values.indexOf("__MAX_BPF_MAP_TYPE"); // not in older kernels
  assertEquals(number("map_types"), most < 0 ? 0 : Number(btf.enumValue(types, most)));

  assertEquals(number("has_disk_in_queue"), since(5, 15) ? 1 : 0);
  assertEquals(number("has_disk_in_request"), since(5, 17) ? 0 : 1);
  assertEquals(number("has_file_ref"), since(6, 13) ? 1 : 0);
  assertEquals(["has_value", "has_type", "size_of_none"].map(number), [0, 0, 0]);
  assertEquals(["matches_same", "matches_other", "matches_none"].map(number), [1, 0, 0]);
});
