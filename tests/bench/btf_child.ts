// Prints how many milliseconds the kernel's BTF takes, in a process that has done nothing before.

import { BTF_KIND_STRUCT } from "../../lib/btf/btf.ts";
import { loadKernelBtf } from "../../lib/btf/kernel.ts";
import { libc } from "../../lib/sys/door.ts";

libc(); // the FFI's own start is not BTF's
const start = performance.now();
const id = loadKernelBtf().find("task_struct", BTF_KIND_STRUCT);
const end = performance.now();
if (id === undefined) Deno.exit(1);
console.log(end - start);
