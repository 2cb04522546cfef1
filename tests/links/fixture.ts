/**
 * Objects of tests/fixtures/links, for the tests here: some programs of them, and their global variables.
 *
 * @module
 */

import { assert, assertInstanceOf } from "@std/assert";
import { BTF_KIND_STRUCT } from "detrace/lib/btf/btf.ts";
import { type Codec, codec } from "detrace/lib/maps/codec.ts";
import type { BpfObject } from "detrace/lib/object/object.ts";
import { openObject } from "detrace/lib/object/open.ts";

/** Opens an object, of which only these programs will be loaded. */
export function fixture(name: string, ...programs: string[]): BpfObject {
  const bytes = Deno.readFileSync(new URL(`../fixtures/links/${name}.bpf.o`, import.meta.url));
  const object = openObject(bytes, name);
  for (const program of object.spec.programs.values()) program.autoload = programs.includes(program.name);
  return object;
}

/** A global variable of 4 or 8 bytes, read. */
export function global(object: BpfObject, name: string): bigint {
  const { map, offset } = object.spec.globals.get(name)!;
  return object.data(map).getBigInt64(offset, true);
}

/** A global variable of 4 or 8 bytes, written. */
export function setGlobal(object: BpfObject, name: string, value: number | bigint): void {
  const { map, offset, size } = object.spec.globals.get(name)!;
  const view = object.data(map);
  if (size === 4) view.setUint32(offset, Number(value), true);
  else view.setBigUint64(offset, BigInt(value), true);
}

/** Programs of tracing.bpf.c that look at this process, and perhaps at one file. */
export function tracing(...programs: string[]): BpfObject {
  const object = fixture("tracing", ...programs);
  setGlobal(object, "pid", Deno.pid);
  return object;
}

/** What the iterator over tasks of tracing.bpf.c writes. */
export interface Task {
  /** The thread. */
  readonly pid: number;
  /** Its process. */
  readonly tgid: number;
  /** Its name. */
  readonly comm: string;
}

/** Records of {@link Task}. */
export function taskCodec(object: BpfObject): Codec<Task> {
  return codec(object.spec.btf!, object.spec.btf!.find("task", BTF_KIND_STRUCT)!);
}

/** Reads from a file, by a call that the programs of tracing.bpf.c know; gives what the call returns. */
export function read(path: string): bigint {
  using file = Deno.openSync(path);
  try {
    return BigInt(file.readSync(new Uint8Array(1237)) ?? 0);
  } catch (error) {
    assertInstanceOf(error, Deno.errors.IsADirectory);
    return -21n;
  }
}

/** A file whose inode number is the kernel's: not on an overlay. */
export async function withFile<T>(use: (path: string, inode: bigint) => Promise<T>): Promise<T> {
  const path = await Deno.makeTempFile({ dir: "/dev/shm", prefix: "detrace-" });
  try {
    return await use(path, BigInt(Deno.statSync(path).ino!));
  } finally {
    await Deno.remove(path);
  }
}

/** A file on an overlay, for whose module the kernel looks if it has to. */
export async function withOverlay<T>(use: (path: string) => T | Promise<T>): Promise<T> {
  const base = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "detrace-" }), merged = `${base}/merged`;
  const execute = (command: string, ...args: string[]) =>
    assert(new Deno.Command(command, { args }).outputSync().success, `${command} ${args.join(" ")}`);
  try {
    for (const name of ["lower", "upper", "work", "merged"]) Deno.mkdirSync(`${base}/${name}`);
    Deno.writeTextFileSync(`${base}/lower/file`, "");
    const layers = `lowerdir=${base}/lower,upperdir=${base}/upper,workdir=${base}/work`;
    execute("mount", "-t", "overlay", "-o", layers, "overlay", merged);
    try {
      return await use(`${merged}/file`);
    } finally {
      execute("umount", merged);
    }
  } finally {
    Deno.removeSync(base, { recursive: true });
  }
}

/** Opens a file, and says whether it could. */
export function canOpen(path: string): boolean {
  try {
    Deno.openSync(path).close();
    return true;
  } catch (error) {
    assertInstanceOf(error, Deno.errors.PermissionDenied);
    return false;
  }
}

/** Runs a program for socket buffers once. */
export function run(object: BpfObject, program: string): number {
  return object.programs.get(program)!.testRun({ dataIn: new Uint8Array(64) }).retval;
}
