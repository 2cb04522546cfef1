/**
 * The skeleton generator: an object → the TypeScript of `bpf/NAME.ts`, with typed globals and a reader for every record.
 *
 * A ring buffer called `events` carries `struct event`: a map's name without its plural `s` names the struct.
 *
 * @module
 */

import { contextArguments } from "../btf/arg_ctx.ts";
import {
  type Btf,
  BTF_KIND_ARRAY,
  BTF_KIND_ENUM,
  BTF_KIND_ENUM64,
  BTF_KIND_FLOAT,
  BTF_KIND_INT,
  BTF_KIND_PTR,
  BTF_KIND_STRUCT,
  BTF_KIND_UNION,
} from "../btf/btf.ts";
import { DetraceError } from "../error.ts";
import {
  BPF_MAP_TYPE_ARENA,
  BPF_MAP_TYPE_CGRP_STORAGE,
  BPF_MAP_TYPE_INODE_STORAGE,
  BPF_MAP_TYPE_RINGBUF,
  BPF_MAP_TYPE_SK_STORAGE,
  BPF_MAP_TYPE_STRUCT_OPS,
  BPF_MAP_TYPE_TASK_STORAGE,
} from "../maps/types.ts";
import { packSpec } from "./pack.ts";
import { TARGETED } from "./object.ts";
import { readObject } from "./read.ts";
import { newerThan } from "./sections.ts";
import type { BpfObjectSpec } from "./spec.ts";
import { WAY_FILES } from "./ways.ts";

const INT_SIGNED = 1, INT_CHAR = 2, INT_BOOL = 4;

/** A member of a record, nested structs flattened. */
interface Field {
  readonly name: string;
  readonly typeId: number;
  /** Bits from the record's start. */
  readonly bit: number;
  /** Bits of a bitfield, else 0. */
  readonly bits: number;
}

/** `target_pid` → `targetPid`. */
function camel(name: string): string {
  return name.replace(/_+([a-z0-9])/g, (_, c: string) => c.toUpperCase());
}
function pascal(name: string): string {
  const text = camel(name);
  return text[0]!.toUpperCase() + text.slice(1);
}

/** How a scalar is read: its size in bytes and whether it has a sign, or undefined for what is no scalar. */
function scalar(
  btf: Btf,
  typeId: number,
): { size: number; signed: boolean; bool: boolean; char: boolean } | undefined {
  const id = btf.skip(typeId);
  switch (btf.kind(id)) {
    case BTF_KIND_INT: {
      const encoding = btf.intEncoding(id), size = btf.sizeOf(id);
      // Clang marks `char` as signed and leaves INT_CHAR unset: a char is known by its name.
      const char = size === 1 && (Boolean(encoding & INT_CHAR) || btf.name(id) === "char");
      return { size, signed: Boolean(encoding & INT_SIGNED), bool: Boolean(encoding & INT_BOOL), char };
    }
    case BTF_KIND_ENUM:
    case BTF_KIND_ENUM64:
      return { size: btf.sizeOf(id), signed: btf.enumIsSigned(id), bool: false, char: false };
    case BTF_KIND_PTR:
      return { size: 8, signed: false, bool: false, char: false };
  }
}

function fields(btf: Btf, id: number, prefix = "", base = 0): Field[] {
  const all: Field[] = [];
  for (let i = 0; i < btf.vlen(id); i++) {
    const type = btf.skip(btf.memberType(id, i)), kind = btf.kind(type);
    const bit = base + btf.memberBitOffset(id, i), own = btf.memberName(id, i);
    const name = own ? prefix + own : prefix;
    if (kind === BTF_KIND_STRUCT || kind === BTF_KIND_UNION) {
      all.push(...fields(btf, type, own ? `${name}_` : prefix, bit));
    } else all.push({ name, typeId: btf.memberType(id, i), bit, bits: btf.memberBitfieldSize(id, i) });
  }
  return all;
}

const at = (offset: number) => offset ? `this.at + ${offset}` : "this.at";

/** A scalar at a byte offset from the record's start, as an expression. */
function read(offset: number, size: number, signed: boolean): string {
  switch (size) {
    case 1:
      return signed ? `this.bytes[${at(offset)}]! << 24 >> 24` : `this.bytes[${at(offset)}]!`;
    case 2: {
      const value = `this.bytes[${at(offset)}]! | this.bytes[${at(offset + 1)}]! << 8`;
      return signed ? `(${value}) << 16 >> 16` : value;
    }
    case 4:
      return `this.${signed ? "i32" : "u32"}[(${at(offset)}) >> 2]!`;
    default:
      return `this.u32[(${at(offset)}) >> 2]! + this.${signed ? "i32" : "u32"}[(${
        at(offset + 4)
      }) >> 2]! * 2 ** 32`;
  }
}

/** The class that reads one struct in place. */
function recordClass(btf: Btf, id: number): string {
  const name = pascal(btf.name(id));
  const members: string[] = [], object: string[] = [], shape: string[] = [];
  const getter = (doc: string, field: string, type: string, expression: string) =>
    members.push(`  /** ${doc} */\n  get ${field}(): ${type} {\n    return ${expression};\n  }`);
  for (const { name: raw, typeId, bit, bits } of fields(btf, id)) {
    const field = camel(raw), offset = bit >> 3, own = scalar(btf, typeId);
    const type = btf.skip(typeId);
    const element = btf.kind(type) === BTF_KIND_ARRAY ? scalar(btf, btf.arrayElement(type)) : undefined;
    if (own && bits) {
      if (bits > 25) throw new DetraceError(`struct ${btf.name(id)}: bitfield ${raw} is wider than 25 bits`);
      const value = [0, 1, 2, 3].filter((i) => i * 8 < (bit & 7) + bits)
        .map((i) => `this.bytes[${at(offset + i)}]! << ${i * 8}`).join(" | ");
      const shifted = `(${value}) << ${32 - bits - (bit & 7)} ${own.signed ? ">>" : ">>>"} ${32 - bits}`;
      getter(`\`${raw}\`, ${bits} bits.`, field, "number", shifted);
      shape.push(`${field}: number`);
    } else if (own?.bool) {
      getter(`\`${raw}\`.`, field, "boolean", `this.bytes[${at(offset)}]! !== 0`);
      shape.push(`${field}: boolean`);
    } else if (own) {
      const long = own.size === 8;
      getter(
        `\`${raw}\`${long ? ", exact below 2^53" : ""}.`,
        field,
        "number",
        read(offset, own.size, own.signed),
      );
      if (long) {
        getter(
          `\`${raw}\`, exact.`,
          `${field}Exact`,
          "bigint",
          own.signed ? `BigInt.asIntN(64, this.u64(${offset}))` : `this.u64(${offset})`,
        );
      }
      shape.push(`${field}: number`);
    } else if (element?.char) {
      const size = btf.arrayLength(type);
      getter(`\`${raw}\` as text.`, field, "string", `this.string(${offset}, ${size})`);
      getter(`Where \`${raw}\` begins in {@link bytes}.`, `${field}Start`, "number", at(offset));
      getter(
        `One past \`${raw}\` in {@link bytes}; a NUL before it ends the text.`,
        `${field}End`,
        "number",
        `this.at + Math.min(${offset + size}, this.length)`,
      );
      shape.push(`${field}: string`);
    } else if (element) {
      const count = btf.arrayLength(type), long = element.size === 8;
      const values = Array.from({ length: count }, (_, i) => {
        const o = offset + i * element.size;
        return long ? `this.u64(${o})` : read(o, element.size, element.signed);
      });
      getter(`\`${raw}\`.`, field, long ? "bigint[]" : "number[]", `[${values.join(", ")}]`);
      shape.push(`${field}: ${long ? "bigint[]" : "number[]"}`);
    } else {throw new DetraceError(
        `struct ${btf.name(id)}: member ${raw} is of a type that records cannot have`,
      );}
    object.push(`${field}: this.${field}`);
  }
  return `/** \`struct ${btf.name(id)}\`, read in place. */
export class ${name} extends RecordView {
${members.join("\n\n")}

  /** A copy of all fields. */
  override toObject(): { ${shape.join("; ")} } {
    return { ${object.join(", ")} };
  }
}
`;
}

const VIEW: Record<string, string> = {
  "1u": "Uint8",
  "1s": "Int8",
  "2u": "Uint16",
  "2s": "Int16",
  "4u": "Uint32",
  "4s": "Int32",
  "8u": "BigUint64",
  "8s": "BigInt64",
};

/** The type of the names in a Map. */
function names(map: Map<string, unknown>): string {
  return [...map.keys()].map((name) => JSON.stringify(name)).join(" | ") || "never";
}

/** A string literal; JSON reads best in single quotes. */
function quote(json: string): string {
  return /['\\]/.test(json) ? JSON.stringify(json) : `'${json}'`;
}

/** `.rodata.fast` → `rodataFast`. */
function section(map: string): string {
  return camel(map.replace(/[^A-Za-z0-9]+/g, "_").replace(/^_/, ""));
}

/** What a program sees of an object through its skeleton: accessors of globals, classes of records, ring buffers. */
function face(spec: BpfObjectSpec, btf: Btf): { accessors: string[]; records: string[]; rings: string[] } {
  const accessors: string[] = [];
  for (const { name: raw, map, offset, typeId } of spec.globals.values()) {
    const type = scalar(btf, typeId);
    if (!type) continue; // arrays and structs: through data()
    const view = VIEW[`${type.size}${type.signed ? "s" : "u"}`]!, le = type.size > 1 ? ", true" : "";
    const ts = type.bool ? "boolean" : type.size === 8 ? "bigint" : "number";
    const data = `this.#${section(map)}`;
    accessors.push(`  /** \`${raw}\` in \`${map}\`. */
  get ${camel(raw)}(): ${ts} {
    return ${data}.get${view}(${offset}${le})${type.bool ? " !== 0" : ""};
  }
  set ${camel(raw)}(value: ${ts}) {
    ${data}.set${view}(${offset}, ${type.bool ? "Number(value)" : "value"}${le});
  }`);
  }
  const records: string[] = [], rings: string[] = [];
  for (const map of spec.maps.values()) {
    if (map.type !== BPF_MAP_TYPE_RINGBUF) continue;
    const id = btf.find(map.name.replace(/s$/, ""), BTF_KIND_STRUCT);
    if (id === undefined) continue;
    records.push(recordClass(btf, id));
    const type = pascal(btf.name(id));
    rings.push(`  /** The records of ring buffer \`${map.name}\`. */
  readonly ${camel(map.name)}: Events<${type}> = this.records("${map.name}", new ${type}(), ${
      btf.sizeOf(id)
    });`);
  }
  return { accessors, records, rings };
}

// Fields of map values that the kernel looks for in the types (btf_parse_fields(), kernel/bpf/btf.c), pointers by their tags.
const SPECIAL =
  /^bpf_(spin_lock|res_spin_lock|timer|wq|task_work|list_head|list_node|rb_root|rb_node|refcount)$/;
const EXT = 28, TYPE_TAG = 18, BPF_F_LINK = 1 << 13;
// Maps that are made only with types: storage of sockets, inodes, tasks, cgroups; struct_ops.
const TYPED = new Set([
  BPF_MAP_TYPE_SK_STORAGE,
  BPF_MAP_TYPE_STRUCT_OPS,
  BPF_MAP_TYPE_INODE_STORAGE,
  BPF_MAP_TYPE_TASK_STORAGE,
  BPF_MAP_TYPE_CGRP_STORAGE,
]);

/** Whether the kernel has to know the object's types; else they are only for people to look at. */
function kernelNeedsTypes(spec: BpfObjectSpec, btf: Btf): boolean {
  const programs = [...spec.programs.values()], functions = [...programs, ...spec.functions.values()];
  for (let id = 1; id < btf.endId; id++) {
    if (btf.kind(id) === TYPE_TAG || SPECIAL.test(btf.name(id))) return true;
  }
  return spec.externs.size > 0 || programs.some(({ type }) => type === EXT) ||
    [...spec.maps.values()].some(({ type }) => TYPED.has(type)) ||
    functions.some(({ references }) => references.some(({ kind }) => kind === "function"));
}

/**
 * Writes the skeleton of an object.
 *
 * @param bytes The object file.
 * @param name The object's name, `opensnoop`.
 * @param arm64 The object for arm64, if it is not the same (it reads registers). Then `bytes` is that for x86-64.
 * @returns TypeScript, not yet formatted.
 * @throws {DetraceError} If the object is damaged, or has a record that cannot be read in place, or those for two
 *   architectures do not look the same from outside.
 */
export function generateSkeleton(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  arm64?: Uint8Array<ArrayBuffer>,
): string {
  const spec = readObject(bytes, name);
  const { btf } = spec;
  if (!btf) throw new DetraceError(`${name}: an object without BTF has no skeleton`);
  spec.btfIsOptional = !kernelNeedsTypes(spec, btf);
  const own = face(spec, btf), { accessors, records, rings } = own;
  const packed = [packSpec(spec)];
  if (arm64) {
    const other = readObject(arm64, name);
    if (!other.btf || JSON.stringify(face(other, other.btf)) !== JSON.stringify(own)) {
      throw new DetraceError(`${name}: globals or records differ between x86-64 and arm64`);
    }
    other.btfIsOptional = spec.btfIsOptional;
    packed.push(packSpec(other));
  }
  const object = pascal(name);
  const sections = new Set([...spec.globals.values()].filter((g) => scalar(btf, g.typeId)).map((g) => g.map));
  for (const map of sections) {
    accessors.unshift(
      `  get #${section(map)}(): DataView<ArrayBuffer> {\n    return this.object.data("${map}");\n  }`,
    );
  }
  // What came after the oldest kernel: floats, tags, enum64; and externs, which no kernel takes as they are.
  const ids = Array.from({ length: btf.endId }, (_, id) => btf.kind(id));
  const parts = spec.externs.size
    ? ["externs", "sanitize"]
    : ids.some((kind) => kind >= BTF_KIND_FLOAT)
    ? ["sanitize"]
    : [];
  // Without types all functions are verified with their callers, and their arguments need no names.
  if (!spec.btfIsOptional && contextArguments(btf).size) parts.push("argCtx");
  const programs = [...spec.programs.values()];
  const ways = [...new Set(programs.map((p) => p.attach))].filter((way) => WAY_FILES[way]);
  const files = new Map<string, Set<string>>();
  for (const [file, export_] of ways.map((way) => WAY_FILES[way]!)) {
    files.set(file, (files.get(file) ?? new Set()).add(export_));
  }
  const imports = [...files].map(([file, exports]) =>
    `import { ${[...exports].join(", ")} } from "../lib/links/${file}.ts";\n`
  );
  if (parts.length) imports.push(`import { ${parts.join(", ")} } from "../lib/object/parts.ts";\n`);
  if (programs.some((p) => TARGETED.has(p.type))) {
    imports.push(`import { target } from "../lib/object/target.ts";\n`);
    parts.push("target");
  }
  if (programs.some((p) => newerThan(0, p) !== undefined)) {
    imports.push(`import { newerThan } from "../lib/object/sections.ts";\n`);
    parts.push("newerThan");
  }
  const maps = [...spec.maps.values()];
  if (maps.some((map) => map.pinByName)) {
    imports.push(`import { pinning } from "../lib/object/pinning.ts";\n`);
    parts.push("pinning");
  }
  if (maps.some((map) => map.structOps)) {
    imports.push(`import { structOps } from "../lib/object/struct_ops.ts";\n`);
    parts.push("structOps");
  }
  if (maps.some((map) => map.type === BPF_MAP_TYPE_ARENA)) {
    imports.push(`import { arena } from "../lib/object/arena.ts";\n`);
    parts.push("arena");
  }
  // Beyond the newest type that the oldest kernel has; a flag of struct_ops.
  if (maps.some((map) => map.type > BPF_MAP_TYPE_INODE_STORAGE || map.flags & BPF_F_LINK)) {
    imports.push(`import { mapError } from "../lib/object/map_types.ts";\n`);
    parts.push("mapError");
  }
  if (ways.length) {
    parts.push(`ways: { ${ways.map((way) => `${JSON.stringify(way)}: ${WAY_FILES[way]![1]}`).join(", ")} }`);
  }
  if (arm64) imports.push(`import { ARCH } from "../lib/sys/door.ts";\n`);
  const texts = packed.map(({ json }) => quote(json)),
    blobs = packed.map(({ bytes }) => `"${bytes.toBase64()}"`);
  const literal = (all: string[]) => arm64 ? `{ x86: ${all[0]}, arm64: ${all[1]} }[ARCH]` : all[0];
  return `// Generated from bpf/${name}.bpf.c by \`deno task bpf\`: edit that, not this.
import { ${rings.length ? "type Events, RecordView, " : ""}Skeleton } from "../lib/object/skeleton.ts";
import type { BpfObject } from "../lib/object/object.ts";
${imports.join("")}
${records.join("\n")}
/** The global variables of \`${name}\`. Constants (\`.rodata\`) are set before loading. */
export class ${object}Globals {
  /** Internal: the variables of an object. */
  constructor(private readonly object: BpfObject) {}

${accessors.join("\n\n")}
}

/** The object \`bpf/${name}.bpf.c\`. Programs: ${[...spec.programs.keys()].join(", ")}. */
export class ${object} extends Skeleton<${names(spec.maps)}, ${names(spec.programs)}> {
  /** Its global variables. */
  readonly globals: ${object}Globals = new ${object}Globals(this);
${rings.join("\n")}

  /** Reads the object that this file holds. */
  constructor() {
    super(SPEC, OBJECT${parts.length ? `, { ${parts.join(", ")} }` : ""});
  }
}

// deno-fmt-ignore
const SPEC = ${literal(texts)};
// deno-fmt-ignore
const OBJECT = ${literal(blobs)};
`;
}
