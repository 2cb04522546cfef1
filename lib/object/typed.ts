/**
 * Maps and global variables of an object as JavaScript values, by the types that the object itself describes (BTF).
 *
 * @module
 */

import { Btf } from "../btf/btf.ts";
import { DetraceError } from "../error.ts";
import { type Codec, codec, type CodecOptions } from "../maps/codec.ts";
import { TypedMap } from "../maps/typed_map.ts";
import { BPF_F_RDONLY_PROG } from "../maps/types.ts";
import type { BpfObject } from "./object.ts";

/** What stands for a key in a map that has none (queue, stack, bloom filter): `undefined`. */
const NO_KEY: Codec<undefined> = { size: 0, encode: () => new Uint8Array(), decode: () => undefined };

/** The object's types. */
function typesOf({ spec }: BpfObject): Btf {
  if (!spec.btfBytes) throw new DetraceError(`${spec.name} does not say what types it has`);
  return spec.btf ??= Btf.parse(spec.btfBytes, { name: `${spec.name}'s BTF`, pointerSize: 8 });
}

/**
 * A map of a loaded object with keys and values as codec.ts makes them of their types.
 *
 * @typeParam K Keys; `undefined` in a map that has none.
 * @typeParam V Values; in a per-CPU map a list, one for each possible processor.
 * @param object A loaded object, which goes on owning the map.
 * @param name The map.
 * @param options See codec.ts.
 * @throws {DetraceError} The object has no such map, or does not say of what types its keys and values are.
 *
 * @example
 * ```ts
 * import { openObject } from "detrace/lib/object/open.ts";
 * import { typedMap } from "detrace/lib/object/typed.ts";
 * import { getuid } from "detrace/lib/sys/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * using object = openObject(Deno.readFileSync("tests/fixtures/object/rooms.bpf.o"), "rooms");
 * if (getuid() === 0) {
 *   await object.load({ kconfig: "" });
 *   const pairs = typedMap<{ a: number; b: number; name: string }, number>(object, "pairs");
 *   pairs.set({ a: 1, b: 2, name: "key" }, 3);
 *   assertEquals([...pairs], [[{ a: 1, b: 2, name: "key" }, 3]]);
 * }
 * ```
 */
export function typedMap<K = unknown, V = unknown>(
  object: BpfObject,
  name: string,
  options?: CodecOptions,
): TypedMap<K, V> {
  const map = object.maps.get(name), spec = object.spec.maps.get(name);
  if (!map || !spec) {
    throw new DetraceError(
      `${object.spec.name}: ${spec ? `map ${name} is not loaded` : `there is no map ${name}`}`,
    );
  }
  if (!spec.valueTypeId || map.keySize && !spec.keyTypeId) {
    throw new DetraceError(
      `${object.spec.name} does not say of what types the keys and values of map ${name} are`,
    );
  }
  const btf = typesOf(object);
  const key = (map.keySize ? codec<K>(btf, spec.keyTypeId, options) : NO_KEY) as Codec<K>;
  if (!map.isPerCpu) return new TypedMap(map, key, codec<V>(btf, spec.valueTypeId, options));
  return TypedMap.perCpu(map, key, codec(btf, spec.valueTypeId, options)) as TypedMap<K, unknown> as TypedMap<
    K,
    V
  >;
}

/** A global variable. */
export interface TypedGlobal<T> {
  /** Its value now: before loading the one that it will begin with. */
  get(): T;
  /**
   * Changes it. Members of a struct that are not given become zero.
   *
   * @throws {DetraceError} If the value is not of the type; or if it is a constant (`.rodata`), and the object is loaded.
   */
  set(value: T): void;
}

/**
 * A global variable of any type, before loading and while programs run. A value of more than 8 bytes is not read or written
 * in one piece.
 *
 * @param object The object.
 * @param name The variable.
 * @param options See codec.ts.
 * @throws {DetraceError} The object has no such variable, or none of such a type.
 *
 * @example
 * ```ts
 * import { openObject } from "detrace/lib/object/open.ts";
 * import { typedGlobal } from "detrace/lib/object/typed.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const object = openObject(Deno.readFileSync("tests/fixtures/object/rooms.bpf.o"), "rooms");
 * const constant = typedGlobal<{ a: number; b: number; name: string }>(object, "constant");
 * assertEquals(constant.get(), { a: 7, b: -2, name: "seven" });
 * constant.set({ a: 8, b: 1, name: "eight" });
 * assertEquals(constant.get().name, "eight");
 * ```
 */
export function typedGlobal<T = unknown>(
  object: BpfObject,
  name: string,
  options?: CodecOptions,
): TypedGlobal<T> {
  const variable = object.spec.globals.get(name);
  if (!variable) throw new DetraceError(`${object.spec.name} has no global variable ${name}`);
  const { map, offset, typeId, size } = variable, values = codec<T>(typesOf(object), typeId, options);
  if (values.size > size) {
    throw new DetraceError(`variable ${name} has ${size} bytes, its type has ${values.size}`);
  }
  const bytes = () => {
    const { buffer, byteOffset } = object.data(map);
    return new Uint8Array(buffer, byteOffset + offset, size);
  };
  return {
    get: () => values.decode(bytes()),
    set(value) {
      if (object.loaded && object.spec.maps.get(map)!.flags & BPF_F_RDONLY_PROG) {
        throw new DetraceError(`${name} is a constant: it is set before loading`);
      }
      bytes().set(values.encode(value));
    },
  };
}
