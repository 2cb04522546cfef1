import { assert, assertEquals, assertThrows } from "@std/assert";
import { openFds } from "../root.ts";
import { DetraceError } from "detrace/lib/error.ts";
import { SyscallError } from "detrace/lib/sys/errno.ts";
import { attribute, concat, interfaceIndex, netlinkRequest } from "detrace/lib/sys/netlink.ts";

const RTM_GETLINK = 18, RTM_GETQDISC = 38, NLM_F_DUMP = 0x300;

Deno.test("network interfaces are found by name", () => {
  assertEquals(interfaceIndex("lo"), Number(Deno.readTextFileSync("/sys/class/net/lo/ifindex")));
  assertEquals(interfaceIndex(7), 7);
  for (const name of ["nowhere0", "", "a name that is longer than any interface's"]) {
    assertThrows(() => interfaceIndex(name), DetraceError, `there is no network interface ${name}`);
  }
});

Deno.test("a list comes whole, and what is refused throws the kernel's error; no socket stays open", () => {
  const before = openFds();
  const links = netlinkRequest("netlink(links)", RTM_GETLINK, NLM_F_DUMP, new Uint8Array(16));
  const indexes = links.map((body) => new DataView(body.buffer).getInt32(4, true));
  assert(indexes.includes(interfaceIndex("lo")));
  const error = assertThrows(
    () => netlinkRequest("netlink(qdisc)", RTM_GETQDISC, 0, new Uint8Array(20)),
    SyscallError,
  );
  assertEquals(error.syscall, "netlink(qdisc)");
  assert(openFds() <= before, "descriptors were left open");
});

Deno.test("attributes are padded to four bytes, which their length does not count", () => {
  const bytes = concat(attribute(1, new Uint8Array([97, 0])), attribute(6, 258));
  assertEquals([...bytes], [6, 0, 1, 0, 97, 0, 0, 0, 8, 0, 6, 0, 2, 1, 0, 0]);
});
