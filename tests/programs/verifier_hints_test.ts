import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { HINTS } from "../../lib/programs/hints.ts";
import { VerifierError } from "../../lib/programs/verifier_error.ts";
import { kernelVersion } from "../../lib/sys/process.ts";
import { rootTest } from "../root.ts";
import { REFUSED } from "./refused.ts";

/** Whether the running kernel is at least of a version, `6.3`. */
function isSince(version: string): boolean {
  const [major, minor] = version.split(".").map(Number) as [number, number];
  return kernelVersion() >= (major << 16) + (minor << 8);
}

for (const { name, open, says, since = "5.10", state } of REFUSED) {
  rootTest(`${name}: the kernel refuses it, and there is a hint`, async () => {
    using object = open();
    const error = await assertRejects(() => object.load(), VerifierError);
    const known = says.slice(0, isSince(since) ? 1 : undefined).find(([cause]) => cause.test(error.message));
    assert(known, `${error.message}\n${error.log.slice(-1000)}`);
    assert(error.hint?.includes(known[1]), `${error.message}: ${error.hint}`);
    if (error.state !== undefined) assert(error.message.endsWith(`, where ${error.state}`), error.message);
    else if (!isSince("5.18") || known !== says[0]) return;
    assertMatch(error.state ?? "", state ?? /^$/);
  });
}

Deno.test("every hint is provoked by a program, and every program knows its hint", () => {
  const reached = new Set<string>();
  for (const { name, says } of REFUSED) {
    for (const [i, [, part]] of says.entries()) {
      const hints = HINTS.filter(([, hint]) => hint.includes(part));
      assertEquals(hints.length, 1, `${name}: hints with "${part}"`);
      if (i === 0) reached.add(hints[0]![1]);
    }
  }
  assertEquals(HINTS.map(([, hint]) => hint).filter((hint) => !reached.has(hint)), []);
});
