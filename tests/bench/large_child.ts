// Loads an object file, and ends.

import { openObject } from "../../lib/object/open.ts";
import { readFile } from "../../lib/sys/file.ts";

using object = openObject(readFile(Deno.args[0]!), "large");
await object.load();
