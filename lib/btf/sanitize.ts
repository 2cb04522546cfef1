/**
 * Makes the BTF of an object file fit for bpf(BPF_BTF_LOAD): fills in what the compiler left to a linker, and replaces
 * what the kernel does not know. Ids and string offsets stay as they are, since instructions and line records use them.
 *
 * @module
 */

import { type Btf, BtfError, KIND_NAMES } from "./btf.ts";

/** Which parts of BTF a kernel knows. What came when: Documentation/bpf/btf.rst, libbpf's features.c. */
export interface BtfFeatures {
  /** `func` and `func_proto`: 5.0. */
  func: boolean;
  /** `var` and `datasec`: 5.2. */
  datasec: boolean;
  /** Linkage of `func`: 5.6. */
  funcGlobal: boolean;
  /** `float`: 5.13. */
  float: boolean;
  /** `decl_tag`: 5.16. */
  declTag: boolean;
  /** `type_tag`: 5.17. */
  typeTag: boolean;
  /** `enum64`, and the sign of `enum`: 6.0. */
  enum64: boolean;
  /** Names of `datasec` with a question mark first: 6.12. */
  qmarkDatasec: boolean;
}

/** A kernel of today: 6.12 or later. */
export const ALL_FEATURES: BtfFeatures = {
  func: true,
  datasec: true,
  funcGlobal: true,
  float: true,
  declTag: true,
  typeTag: true,
  enum64: true,
  qmarkDatasec: true,
};

const ENCODER = new TextEncoder();
// As plain numbers, for they are shifted into info words.
const INT = 1, STRUCT = 4, UNION = 5, ENUM = 6, TYPEDEF = 8, CONST = 10, FUNC = 12, FUNC_PROTO = 13, VAR = 14;
const DATASEC = 15, FLOAT = 16, DECL_TAG = 17, TYPE_TAG = 18, ENUM64 = 19;

/**
 * A copy with the sizes of sections and the offsets of global variables in them, which clang leaves zero; variables are
 * sorted by offset. Sections that have a size keep theirs; `.kconfig` and `.ksyms` are left alone.
 *
 * @param btf An object file's BTF.
 * @param sizeOf Bytes of an ELF section.
 * @param offsetOf Bytes from the start of an ELF section to a variable in it.
 * @param isHidden Whether a function or variable has hidden or internal visibility: it becomes static, which makes the
 * verifier check a function with its caller.
 * @throws {BtfError} if a section or variable is not there.
 *
 * @example
 * ```ts
 * import { fixupDatasecs } from "detrace/lib/btf/sanitize.ts";
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder();
 * const counter = builder.addVar("counter", builder.addInt("int", 4, { signed: true }));
 * const bss = builder.addDatasec(".bss", 0, [{ type: counter, offset: 0, size: 4 }]);
 * const fixed = Btf.parse(fixupDatasecs(Btf.parse(builder.build()), () => 16, () => 8));
 * assertEquals(fixed.sizeOf(bss), 16);
 * assertEquals(fixed.secinfo(bss, 0), { type: counter, offset: 8, size: 4 });
 * ```
 */
export function fixupDatasecs(
  btf: Btf,
  sizeOf: (section: string) => number | undefined,
  offsetOf: (section: string, variable: string) => number | undefined,
  isHidden: (symbol: string) => boolean = () => false,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(btf.bytes), view = new DataView(bytes.buffer);
  const put = (id: number, k: number, value: number) =>
    view.setUint32(btf.offsetOf(id) + 4 * k, value, btf.littleEndian);
  for (let id = btf.firstId; id < btf.endId; id++) {
    const kind = btf.kind(id), section = btf.name(id);
    if (kind === FUNC && btf.funcLinkage(id) === 1 && isHidden(section)) put(id, 1, FUNC << 24);
    if (kind !== DATASEC || section === ".kconfig" || section === ".ksyms") continue;
    const unset = btf.sizeOrType(id) === 0;
    if (unset) {
      const size = sizeOf(section);
      if (!size) throw new BtfError(`${btf.label} describes a section ${section}, which is missing or empty`);
      put(id, 2, size);
    }
    const variables = Array.from({ length: btf.vlen(id) }, (_, i) => btf.secinfo(id, i));
    for (const variable of variables) {
      if (btf.kind(variable.type) !== VAR || btf.varLinkage(variable.type) !== 1) continue;
      const name = btf.name(variable.type), offset = unset ? offsetOf(section, name) : variable.offset;
      if (offset === undefined) {
        throw new BtfError(`${btf.label} describes a variable ${name}, which is not in section ${section}`);
      }
      variable.offset = offset;
      if (isHidden(name)) put(variable.type, 3, 0);
    }
    variables.sort((a, b) => a.offset - b.offset).forEach(({ type, offset, size }, i) => {
      put(id, 3 + 3 * i, type);
      put(id, 4 + 3 * i, offset);
      put(id, 5 + 3 * i, size);
    });
  }
  return bytes;
}

/**
 * A copy that a kernel takes. Externs, which none takes as they are, become variables of `.kconfig` and `.ksyms`; and
 * each kind that the kernel does not know becomes one with the same size of record: var and decl_tag an int, datasec a
 * struct, func_proto an enum, func a typedef, float an empty struct, type_tag a const, enum64 a union.
 *
 * @param btf An object file's BTF, after {@linkcode fixupDatasecs}.
 * @param can What the kernel knows.
 *
 * @example
 * ```ts
 * import { ALL_FEATURES, sanitizeBtf } from "detrace/lib/btf/sanitize.ts";
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder();
 * const float = builder.addFloat("double", 8);
 * const old = Btf.parse(sanitizeBtf(Btf.parse(builder.build()), { ...ALL_FEATURES, float: false }));
 * assertEquals(old.type(float), { kind: "struct", id: float, name: "", size: 8, members: [] });
 * ```
 */
export function sanitizeBtf(btf: Btf, can: BtfFeatures): Uint8Array<ArrayBuffer> {
  const little = btf.littleEndian;
  const { buffer, byteOffset } = btf.bytes;
  const header = new DataView(buffer, byteOffset);
  const u32 = (at: number) => header.getUint32(at, little);
  const start = u32(4) + u32(8), strings = u32(4) + u32(16);
  const types = btf.bytes.slice(start, start + u32(12)), view = new DataView(types.buffer);
  const get = (id: number, k: number) => view.getUint32(btf.offsetOf(id) - start + 4 * k, little);
  const put = (id: number, k: number, value: number) =>
    view.setUint32(btf.offsetOf(id) - start + 4 * k, value, little);
  const kindOf = (id: number) => get(id, 1) >>> 24 & 127;
  const expect = (id: number, kind: number) => {
    if (kindOf(id) !== kind) {
      throw new BtfError(`${btf.label} is damaged: type ${id} is not a ${KIND_NAMES[kind]}`);
    }
  };

  // What is added goes behind the rest, so that nothing moves.
  const moreWords: number[] = [], moreStrings: number[] = [];
  let nextId = btf.endId, dummy = 0;
  const addString = (text: string) => {
    const offset = btf.stringEnd + moreStrings.length;
    moreStrings.push(...ENCODER.encode(text + "\0"));
    return offset;
  };
  const addType = (...words: number[]) => {
    moreWords.push(...words);
    return nextId++;
  };

  for (let id = btf.firstId; id < btf.endId; id++) {
    const section = kindOf(id) === DATASEC ? btf.name(id) : "", n = btf.vlen(id);
    if (section === ".ksyms") {
      const int = addType(addString("int"), INT << 24, 4, 1 << 24 | 32);
      let dummyVar = 0;
      dummy = addString("dummy_ksym");
      put(id, 2, 4 * n);
      for (let i = 0; i < n; i++) {
        const type = get(id, 3 + 3 * i);
        if (kindOf(type) === FUNC) {
          // A section has only variables, and parameters of a function that is there must have names.
          dummyVar ||= can.datasec ? addType(dummy, VAR << 24, int, 1) : addType(dummy, INT << 24, 1, 8);
          put(id, 3 + 3 * i, dummyVar);
          put(type, 1, FUNC << 24 | 1);
          const prototype = get(type, 2);
          expect(prototype, FUNC_PROTO);
          for (let j = 0; j < btf.vlen(prototype); j++) {
            if (get(prototype, 4 + 2 * j) && !get(prototype, 3 + 2 * j)) put(prototype, 3 + 2 * j, dummy);
          }
        } else {
          expect(type, VAR);
          put(type, 2, int);
          put(type, 3, 1);
        }
        put(id, 4 + 3 * i, 4 * i);
        put(id, 5 + 3 * i, 4);
      }
    } else if (section === ".kconfig") {
      let end = 0;
      for (let i = 0; i < n; i++) {
        const type = get(id, 3 + 3 * i), size = btf.sizeOf(type);
        expect(type, VAR);
        put(type, 3, 1);
        put(id, 4 + 3 * i, end);
        put(id, 5 + 3 * i, size);
        end += size + 7 & ~7;
      }
      put(id, 2, end);
    }
  }

  let placeholder = 0, unnamed = 0;
  for (let id = btf.firstId; id < btf.endId; id++) {
    const kind = kindOf(id), n = get(id, 1) & 0xffffff;
    const become = (kind: number, vlen = 0) => put(id, 1, kind << 24 | vlen);
    if ((kind === VAR && !can.datasec) || (kind === DECL_TAG && !can.declTag)) {
      become(INT);
      put(id, 2, 1); // the smallest: the section may give a variable no more
      put(id, 3, 8);
    } else if (kind === DATASEC && !can.datasec) {
      become(STRUCT, n);
      put(id, 0, addString(btf.name(id).replace(/[.?]/g, "_")));
      for (let i = 3; i < 3 + 3 * n; i += 3) {
        const variable = get(id, i);
        put(id, i + 2, 8 * get(id, i + 1));
        put(id, i + 1, variable);
        put(id, i, variable < btf.endId ? get(variable, 0) : dummy);
      }
    } else if (kind === DATASEC && !can.qmarkDatasec && btf.name(id)[0] === "?") {
      put(id, 0, addString("_" + btf.name(id).slice(1)));
    } else if (kind === FUNC_PROTO && !can.func) {
      become(ENUM, n);
      put(id, 2, 4);
      // Parameters may be without names, enumerators not.
      for (let i = 3; i < 3 + 2 * n; i += 2) get(id, i) || put(id, i, unnamed ||= addString("_"));
    } else if (kind === FUNC && !can.func) {
      become(TYPEDEF);
    } else if (kind === FUNC && !can.funcGlobal) {
      become(FUNC);
    } else if (kind === FLOAT && !can.float) {
      become(STRUCT);
      put(id, 0, 0); // "double" is no name for a struct
    } else if (kind === TYPE_TAG && !can.typeTag) {
      become(CONST);
      put(id, 0, 0);
    } else if (kind === ENUM && !can.enum64) {
      become(ENUM, n);
    } else if (kind === ENUM64 && !can.enum64) {
      placeholder ||= addType(addString("enum64_placeholder"), INT << 24, 1, 8);
      become(UNION, n);
      for (let i = 3; i < 3 + 3 * n; i += 3) {
        put(id, i + 1, placeholder);
        put(id, i + 2, 0);
      }
    }
  }

  // The header of 24 bytes: older kernels know no layout section.
  const length = types.length + 4 * moreWords.length,
    oldStrings = btf.bytes.subarray(strings, strings + u32(20));
  const bytes = new Uint8Array(24 + length + oldStrings.length + moreStrings.length);
  const out = new DataView(bytes.buffer);
  bytes.set(btf.bytes.subarray(0, 4));
  [24, 0, length, length, bytes.length - 24 - length].forEach((word, i) =>
    out.setUint32(4 + 4 * i, word, little)
  );
  bytes.set(types, 24);
  moreWords.forEach((word, i) => out.setUint32(24 + types.length + 4 * i, word, little));
  bytes.set(oldStrings, 24 + length);
  bytes.set(moreStrings, 24 + length + oldStrings.length);
  return bytes;
}
