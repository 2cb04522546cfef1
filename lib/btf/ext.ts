/**
 * `.BTF.ext`: what a compiler says about the instructions of an object file in terms of its BTF.
 *
 * Format: struct btf_ext_header and struct btf_ext_info_sec, Documentation/bpf/btf.rst.
 *
 * @module
 */

import { type Btf, BtfError } from "./btf.ts";

/** A function starts here. */
export interface FunctionInfo {
  /** Bytes from the start of the section. */
  offset: number;
  /** Type id of its `func`. */
  typeId: number;
}

/** The source line of the instructions from here on. */
export interface LineInfo {
  /** Bytes from the start of the section. */
  offset: number;
  /** The source file's name: offset for `Btf.string`. */
  fileOffset: number;
  /** The line's text: offset for `Btf.string`. */
  lineOffset: number;
  /** Counted from 1. */
  lineNumber: number;
  /** Counted from 1; 0: unknown. */
  column: number;
}

/** An instruction to be relocated by CO-RE: struct bpf_core_relo, include/uapi/linux/bpf.h. */
export interface CoreRelocationInfo {
  /** Bytes from the start of the section. */
  offset: number;
  /** Root type in the object's own BTF. */
  typeId: number;
  /** Path from the root: numbers with colons between. */
  accessString: string;
  /** What is asked: enum bpf_core_relo_kind. */
  kind: number;
}

/** The content of `.BTF.ext` by ELF section name, in the order of the file. */
export interface BtfExt {
  /** Functions. */
  functions: Map<string, FunctionInfo[]>;
  /** Source lines. */
  lines: Map<string, LineInfo[]>;
  /** CO-RE relocations; empty if the compiler wrote none. */
  coreRelocations: Map<string, CoreRelocationInfo[]>;
}

/**
 * Reads a `.BTF.ext` section of either byte order. Records longer than known are read as far as known.
 *
 * @param bytes The section.
 * @param btf The BTF of the same object, for its strings.
 * @throws {BtfError} if it is damaged.
 *
 * @example
 * ```ts
 * import { parseBtfExt } from "detrace/lib/btf/ext.ts";
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder();
 * const text = builder.addString(".text");
 * const header = [0x0001eb9f, 24, 0, 20, 20, 0], functions = [8, text, 1, 16, 1];
 * const ext = new Uint8Array(Uint32Array.from([...header, ...functions]).buffer);
 * const { functions: found } = parseBtfExt(ext, Btf.parse(builder.build()));
 * assertEquals(found.get(".text"), [{ offset: 16, typeId: 1 }]);
 * ```
 */
export function parseBtfExt(bytes: Uint8Array, btf: Btf): BtfExt {
  const bad = (what: string): never => {
    throw new BtfError(`.BTF.ext of ${btf.label} is damaged: ${what}`);
  };
  if (bytes.length < 24) bad(`${bytes.length} bytes are too few for a header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const little = view.getUint16(0, true) === 0xeb9f;
  if (!little && view.getUint16(0) !== 0xeb9f) bad("it does not start with BTF's magic number");
  if (bytes[2] !== 1) throw new BtfError(`.BTF.ext of ${btf.label} has version ${bytes[2]}, known is only 1`);
  const u32 = (at: number) => view.getUint32(at, little);
  const header = u32(4);
  if (header < 24 || header > bytes.length) bad(`its header is ${header} bytes long`);

  /** Part `part` of the header's list: u32 record size, then {u32 section name, u32 count, records} in turn. */
  const read = <T>(part: number, least: number, record: (at: number) => T): Map<string, T[]> => {
    const sections = new Map<string, T[]>();
    const length = header < 16 + 8 * part ? 0 : u32(12 + 8 * part);
    if (!length) return sections;
    let at = header + u32(8 + 8 * part);
    const end = at + length;
    if (length < 4 || end > bytes.length) bad(`part ${part} runs past the end`);
    const size = u32(at);
    if (size < least || size % 4) bad(`records of part ${part} are ${size} bytes long`);
    for (at += 4; at < end;) {
      if (end - at < 8) bad(`part ${part} ends within a section`);
      const name = btf.string(u32(at)), count = u32(at + 4);
      at += 8;
      if (count * size > end - at) bad(`part ${part} has more records than it is long`);
      const records = sections.get(name) ?? [];
      sections.set(name, records);
      for (let i = 0; i < count; i++, at += size) records.push(record(at));
    }
    return sections;
  };

  return {
    functions: read(0, 8, (at) => ({ offset: u32(at), typeId: u32(at + 4) })),
    lines: read(1, 16, (at) => ({
      offset: u32(at),
      fileOffset: u32(at + 4),
      lineOffset: u32(at + 8),
      lineNumber: u32(at + 12) >>> 10,
      column: u32(at + 12) & 1023,
    })),
    coreRelocations: read(2, 16, (at) => ({
      offset: u32(at),
      typeId: u32(at + 4),
      accessString: btf.string(u32(at + 8)),
      kind: u32(at + 12),
    })),
  };
}
