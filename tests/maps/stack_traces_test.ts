import { assert, assertEquals, assertThrows } from "@std/assert";
import { DetraceError } from "../../lib/error.ts";
import { BpfMap } from "../../lib/maps/map.ts";
import { readStack } from "../../lib/maps/stack_traces.ts";
import { BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_STACK_TRACE } from "../../lib/maps/types.ts";
import { rootTest, runOn, stackWriter } from "./programs.ts";

rootTest("a stack is read as the kernel's addresses, without the zeros at its end", () => {
  using map = BpfMap.create({
    type: BPF_MAP_TYPE_STACK_TRACE,
    keySize: 4,
    valueSize: 8 * 127,
    maxEntries: 16,
  });
  using program = stackWriter(map);
  const id = runOn(program, 0);
  assert(id < 16);
  const stack = readStack(map, id)!;
  assert(stack.length > 1 && stack.length < 127);
  for (const address of stack) assert(address > 1n << 63n);
  assertEquals(readStack(map, (id + 1) % 16), undefined);
  assertEquals(readStack(map, -17), undefined);
  assertEquals(readStack(map, 1000), undefined);
  assertEquals(map.drainAll().length, 1);
  assertEquals(readStack(map, id), undefined);
});

rootTest("a stack that fills its entry has no zero at its end", () => {
  using map = BpfMap.create({ type: BPF_MAP_TYPE_STACK_TRACE, keySize: 4, valueSize: 16, maxEntries: 16 });
  using program = stackWriter(map);
  assertEquals(readStack(map, runOn(program, 0))!.length, 2);
});

rootTest("a map of another kind is refused", () => {
  using map = BpfMap.create({ type: BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: 8, maxEntries: 1 });
  assertThrows(() => readStack(map, 0), DetraceError, "does not hold stacks");
});
