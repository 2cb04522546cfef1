/**
 * Cgroups of the tests' own.
 *
 * @module
 */

/** Where version 2 of the cgroup file system is mounted; undefined if it is not. */
function cgroup2(): string | undefined {
  return / (\S+) cgroup2 /.exec(Deno.readTextFileSync("/proc/self/mounts"))?.[1];
}

/** Makes a cgroup, and takes it away when its processes are gone. A machine without version 2 gets it for the time. */
export async function withCgroup(use: (path: string) => void | Promise<void>): Promise<void> {
  let root = cgroup2();
  const mounted = root ? undefined : root = await Deno.makeTempDir({ prefix: "detrace-" });
  if (mounted) await run("mount", "-t", "cgroup2", "none", mounted);
  const path = `${root}/detrace-test-${Deno.pid}`;
  try {
    Deno.mkdirSync(path);
    await use(path);
  } finally {
    Deno.removeSync(path);
    if (mounted) await run("umount", mounted), await Deno.remove(mounted);
  }
}

/** Runs a command, which must succeed. */
async function run(command: string, ...args: string[]): Promise<void> {
  const { success } = await new Deno.Command(command, { args }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")} failed`);
}
