/**
 * Types as they are stored, the way `bpftool btf dump format raw` writes them: ids, numbers and names, nothing resolved.
 *
 * @module
 */

import { type Btf, KIND_NAMES } from "./btf.ts";
import { decodeType } from "./decode.ts";

/** By the linkage's number. */
const LINKAGES = ["static", "global", "extern"];

/** Kind and name. */
function title(btf: Btf, id: number): string {
  const kind = btf.kind(id), name = btf.nameOffset(id) ? btf.name(id) : "(anon)";
  return `${(kind && KIND_NAMES[kind] || "unknown").toUpperCase()} '${name}'`;
}

/**
 * One type: a line for itself, and one, beginning with a tab, for each member, enumerator, parameter or variable.
 *
 * @param id A type, also one of the base; 0 is `UNKNOWN`.
 * @throws {BtfError} if there is no such type, or it is damaged.
 *
 * @example
 * ```ts
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { rawLines } from "detrace/lib/btf/raw.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder(), int = builder.addInt("int", 4, { signed: true });
 * const list = builder.addStruct("list", 4, [{ name: "value", type: int, bitOffset: 0 }]);
 * assertEquals(rawLines(Btf.parse(builder.build()), list), [
 *   "[2] STRUCT 'list' size=4 vlen=1",
 *   "\t'value' type_id=1 bits_offset=0",
 * ]);
 * ```
 */
export function rawLines(btf: Btf, id: number): string[] {
  const head = `[${id}] ${title(btf, id)}`;
  if (btf.kind(id) >= KIND_NAMES.length) return [head];
  const type = decodeType(btf, id), called = (name: string) => `\t'${name || "(anon)"}'`;
  const linkage = (number: number) => `linkage=${LINKAGES[number] ?? "(unknown)"}`;
  switch (type.kind) {
    case "void":
      return [head];
    case "int": {
      const encoding = ["(none)", "SIGNED", "CHAR", , "BOOL"][btf.intEncoding(id)] ?? "UNKN";
      return [
        `${head} size=${type.size} bits_offset=${type.bitOffset} nr_bits=${type.bits} encoding=${encoding}`,
      ];
    }
    case "array":
      return [`${head} type_id=${type.element} index_type_id=${type.index} nr_elems=${type.length}`];
    case "struct":
    case "union":
      return [
        `${head} size=${type.size} vlen=${type.members.length}`,
        ...type.members.map(({ name, type, bitOffset, bitfieldSize }) =>
          `${called(name)} type_id=${type} bits_offset=${bitOffset}` +
          (bitfieldSize ? ` bitfield_size=${bitfieldSize}` : "")
        ),
      ];
    case "enum":
    case "enum64": {
      const { size, signed, values } = type, long = type.kind === "enum64" ? signed ? "LL" : "ULL" : "";
      return [
        `${head} encoding=${signed ? "SIGNED" : "UNSIGNED"} size=${size} vlen=${values.length}`,
        ...values.map(({ name, value }) => `${called(name)} val=${value}${long}`),
      ];
    }
    case "fwd":
      return [`${head} fwd_kind=${type.union ? "union" : "struct"}`];
    case "func":
      return [`${head} type_id=${type.type} ${linkage(type.linkage)}`];
    case "var":
      return [`${head} type_id=${type.type}, ${linkage(type.linkage)}`];
    case "func_proto":
      return [
        `${head} ret_type_id=${type.returns} vlen=${type.params.length}`,
        ...type.params.map(({ name, type }) => `${called(name)} type_id=${type}`),
      ];
    case "datasec":
      return [
        `${head} size=${type.size} vlen=${type.variables.length}`,
        ...type.variables.map(({ type, offset, size }) =>
          `\ttype_id=${type} offset=${offset} size=${size}` +
          (type < btf.endId ? ` (${title(btf, type)})` : "")
        ),
      ];
    case "float":
      return [`${head} size=${type.size}`];
    case "decl_tag":
      return [`${head} type_id=${type.type} component_idx=${type.component}`];
    default: // what refers to one type and has nothing else
      return [`${head} type_id=${type.type}`];
  }
}
