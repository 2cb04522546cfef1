/**
 * Writes small ELF files for tests, well-formed ones: the tests then break them on purpose.
 *
 * @module
 */

/** Numbers in one byte order, one after the other. */
export class Bytes {
  readonly #bytes: number[] = [];

  constructor(readonly littleEndian = true) {}

  /** Adds numbers of `size` bytes each. */
  add(size: 1 | 2 | 4 | 8, ...values: (number | bigint)[]): this {
    for (const value of values) {
      const bytes = Array.from({ length: size }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 255n));
      this.#bytes.push(...(this.littleEndian ? bytes : bytes.reverse()));
    }
    return this;
  }

  /** Adds bytes, or a text as UTF-8. */
  raw(data: Uint8Array | string): this {
    for (const byte of typeof data === "string" ? new TextEncoder().encode(data) : data) {
      this.#bytes.push(byte);
    }
    return this;
  }

  /** Adds zeros up to a multiple of `n`. */
  align(n: number): this {
    while (this.#bytes.length % n !== 0) this.#bytes.push(0);
    return this;
  }

  get length(): number {
    return this.#bytes.length;
  }

  done(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#bytes);
  }
}

/** A string table, and where each string went. */
export function strings(names: string[]): { data: Uint8Array; at: (name: string) => number } {
  const encode = (text: string) => new TextEncoder().encode(text);
  const text = "\0" + names.map((name) => name + "\0").join("");
  const at = (name: string) =>
    name === "" ? 0 : encode(text.slice(0, text.indexOf(`\0${name}\0`) + 1)).length;
  return { data: encode(text), at };
}

export interface SectionSpec {
  name: string;
  type: number;
  data?: Uint8Array;
  flags?: number;
  addr?: number | bigint;
  size?: number;
  link?: number;
  info?: number;
  addralign?: number;
  entsize?: number;
}

export interface SegmentSpec {
  type: number;
  flags?: number;
  /** The section (as numbered in the file, from 1) whose bytes it covers. */
  section: number;
  vaddr?: number | bigint;
  align?: number;
}

export interface SymbolSpec {
  name: string;
  value?: number | bigint;
  size?: number;
  info?: number;
  other?: number;
  shndx?: number;
}

/** The bytes of a symbol table, the empty first symbol included. */
export function symbolTable(
  symbols: SymbolSpec[],
  at: (name: string) => number,
  littleEndian = true,
): Uint8Array {
  const out = new Bytes(littleEndian);
  for (const s of [{ name: "" } as SymbolSpec, ...symbols]) {
    out.add(4, at(s.name)).add(1, s.info ?? 0, s.other ?? 0).add(2, s.shndx ?? 0).add(
      8,
      s.value ?? 0,
      s.size ?? 0,
    );
  }
  return out.done();
}

/**
 * An ELF64 file: header, program headers, the sections' bytes, section headers. Sections are numbered from 1 in the
 * order given; the last one, of the sections' names, is added. `overflow` writes the counts as if they were too big
 * for the file header.
 */
export function writeElf(
  { littleEndian = true, type = 1, machine = 247, entry = 0, overflow = false, sections, segments = [] }: {
    littleEndian?: boolean;
    type?: number;
    machine?: number;
    entry?: number | bigint;
    overflow?: boolean;
    sections: SectionSpec[];
    segments?: SegmentSpec[];
  },
): Uint8Array<ArrayBuffer> {
  const names = strings([...sections.map((section) => section.name), ".shstrtab"]);
  const all: SectionSpec[] = [...sections, { name: ".shstrtab", type: 3, data: names.data }];
  const body = new Bytes(littleEndian);
  const start = 64 + 56 * segments.length;
  const offsets = all.map(({ data = new Uint8Array(0) }) => {
    const offset = start + body.align(8).length;
    body.raw(data);
    return offset;
  });
  const shoff = start + body.align(8).length;
  const sizeOf = (section: SectionSpec) => section.size ?? section.data?.length ?? 0;

  const out = new Bytes(littleEndian);
  out.raw("\x7fELF").add(1, 2, littleEndian ? 1 : 2, 1).align(16);
  out.add(2, type, machine).add(4, 1).add(8, entry, segments.length && 64, shoff).add(4, 0).add(2, 64, 56);
  out.add(2, overflow ? 0xffff : segments.length, 64);
  out.add(2, overflow ? 0 : all.length + 1, overflow ? 0xffff : all.length);
  for (const segment of segments) {
    const size = sizeOf(all[segment.section - 1]!);
    const vaddr = segment.vaddr ?? 0;
    out.add(4, segment.type, segment.flags ?? 4).add(
      8,
      offsets[segment.section - 1]!,
      vaddr,
      vaddr,
      size,
      size,
    );
    out.add(8, segment.align ?? 1);
  }
  out.raw(body.done());
  out.add(4, 0, 0).add(8, 0, 0, 0, overflow ? all.length + 1 : 0);
  out.add(4, overflow ? all.length : 0, overflow ? segments.length : 0).add(8, 0, 0);
  all.forEach((section, i) => {
    out.add(4, names.at(section.name), section.type).add(
      8,
      section.flags ?? 0,
      section.addr ?? 0,
      offsets[i]!,
    );
    out.add(8, sizeOf(section)).add(4, section.link ?? 0, section.info ?? 0);
    out.add(8, section.addralign ?? 1, section.entsize ?? 0);
  });
  return out.done();
}
