/**
 * Makes the BTF of an object file fit for kernels that do not know all of it. Ids and string offsets stay as they are,
 * since instructions and line records use them.
 *
 * @module
 */

import { BtfAppender } from "./append.ts";
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

// As plain numbers, for they are shifted into info words.
const INT = 1, STRUCT = 4, UNION = 5, ENUM = 6, TYPEDEF = 8, CONST = 10, FUNC = 12, FUNC_PROTO = 13, VAR = 14;
const DATASEC = 15, FLOAT = 16, DECL_TAG = 17, TYPE_TAG = 18, ENUM64 = 19;

/**
 * A copy that a kernel takes. Externs, which none takes as they are, become variables of `.kconfig` and `.ksyms`; and
 * each kind that the kernel does not know becomes one with the same size of record: var and decl_tag an int, datasec a
 * struct, func_proto an enum, func a typedef, float an empty struct, type_tag a const, enum64 a union.
 *
 * @param btf An object file's BTF, after `fixupDatasecs`.
 * @param can What the kernel knows.
 *
 * @example
 * ```ts
 * import { ALL_FEATURES, sanitizeBtf } from "detrace/lib/btf/sanitize.ts";
 * import { Btf, BTF_KIND_STRUCT } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder();
 * const float = builder.addFloat("double", 8);
 * const old = Btf.parse(sanitizeBtf(Btf.parse(builder.build()), { ...ALL_FEATURES, float: false }));
 * assertEquals([old.kind(float), old.sizeOf(float)], [BTF_KIND_STRUCT, 8]);
 * ```
 */
export function sanitizeBtf(btf: Btf, can: BtfFeatures): Uint8Array<ArrayBuffer> {
  const little = btf.littleEndian, appender = new BtfAppender(btf), { start } = appender;
  const view = new DataView(appender.types.buffer);
  const addString = appender.addString.bind(appender), addType = appender.addType.bind(appender);
  const get = (id: number, k: number) => view.getUint32(btf.offsetOf(id) - start + 4 * k, little);
  const put = (id: number, k: number, value: number) =>
    view.setUint32(btf.offsetOf(id) - start + 4 * k, value, little);
  const kindOf = (id: number) => get(id, 1) >>> 24 & 127;
  const expect = (id: number, kind: number) => {
    if (kindOf(id) !== kind) {
      throw new BtfError(`${btf.label} is damaged: type ${id} is not a ${KIND_NAMES[kind]}`);
    }
  };

  let dummy = 0;
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

  return appender.build();
}
