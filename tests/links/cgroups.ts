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
export async function withCgroup<T>(use: (path: string) => T | Promise<T>): Promise<T> {
  let root = cgroup2();
  const mounted = root ? undefined : root = await Deno.makeTempDir({ prefix: "detrace-" });
  if (mounted) await run("mount", "-t", "cgroup2", "none", mounted);
  const path = `${root}/detrace-test-${Deno.pid}`;
  try {
    Deno.mkdirSync(path);
    return await use(path);
  } finally {
    Deno.removeSync(path);
    if (mounted) await run("umount", mounted), await Deno.remove(mounted);
  }
}

/** Moves this process into a cgroup for the time being. */
export async function inCgroup<T>(path: string, use: () => T | Promise<T>): Promise<T> {
  const before = /^0::(.*)$/m.exec(Deno.readTextFileSync("/proc/self/cgroup"))?.[1] ?? "/";
  const moveTo = (cgroup: string) => Deno.writeTextFileSync(`${cgroup}/cgroup.procs`, `${Deno.pid}`);
  moveTo(path);
  try {
    return await use();
  } finally {
    moveTo(path.slice(0, path.lastIndexOf("/")) + before);
  }
}

/** Runs a command, which must succeed. */
async function run(command: string, ...args: string[]): Promise<void> {
  const { success } = await new Deno.Command(command, { args }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")} failed`);
}
