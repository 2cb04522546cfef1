/**
 * Fills in what the compiler left to a linker in the BTF of an object file: where its variables lie.
 *
 * @module
 */

import { type Btf, BTF_KIND_DATASEC, BTF_KIND_FUNC, BTF_KIND_VAR, BtfError } from "./btf.ts";

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
 * import { fixupDatasecs } from "detrace/lib/btf/fixup.ts";
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
    if (kind === BTF_KIND_FUNC && btf.funcLinkage(id) === 1 && isHidden(section)) {
      put(id, 1, BTF_KIND_FUNC << 24);
    }
    if (kind !== BTF_KIND_DATASEC || section === ".kconfig" || section === ".ksyms") continue;
    const unset = btf.sizeOrType(id) === 0;
    if (unset) {
      const size = sizeOf(section);
      if (!size) throw new BtfError(`${btf.label} describes a section ${section}, which is missing or empty`);
      put(id, 2, size);
    }
    const variables = Array.from({ length: btf.vlen(id) }, (_, i) => btf.secinfo(id, i));
    for (const variable of variables) {
      if (btf.kind(variable.type) !== BTF_KIND_VAR || btf.varLinkage(variable.type) !== 1) continue;
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
