/**
 * Types as C, the way `bpftool btf dump format c` writes them: what can be compiled has the layout that BTF says.
 *
 * The rules (libbpf's btf_dump.c): definitions come before what embeds them, and forward declarations before what only
 * points at them; padding is spelled out where a compiler would not put it; a name that is taken already gets `___2`.
 *
 * @module
 */

import {
  type Btf,
  BTF_KIND_ARRAY,
  BTF_KIND_CONST,
  BTF_KIND_DATASEC,
  BTF_KIND_DECL_TAG,
  BTF_KIND_ENUM,
  BTF_KIND_ENUM64,
  BTF_KIND_FLOAT,
  BTF_KIND_FUNC,
  BTF_KIND_FUNC_PROTO,
  BTF_KIND_FWD,
  BTF_KIND_INT,
  BTF_KIND_PTR,
  BTF_KIND_RESTRICT,
  BTF_KIND_STRUCT,
  BTF_KIND_TYPE_TAG,
  BTF_KIND_TYPEDEF,
  BTF_KIND_UNION,
  BTF_KIND_UNKN,
  BTF_KIND_VAR,
  BTF_KIND_VOLATILE,
  BtfError,
  KIND_NAMES,
} from "./btf.ts";

/**
 * One type as C: the definition of a struct, union, enum or typedef, the declaration of a function or variable, the
 * variables of a section; of anything else the type as it stands in a cast.
 *
 * @throws {BtfError} if what it refers to is damaged.
 *
 * @example
 * ```ts
 * import { printType } from "detrace/lib/btf/print.ts";
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder();
 * const char = builder.addInt("char", 1, { char: true });
 * const name = builder.addArray(char, char, 16);
 * const task = builder.addStruct("task", 24, [
 *   { name: "next", type: builder.nextId + 1, bitOffset: 0 },
 *   { name: "comm", type: name, bitOffset: 64 },
 * ]);
 * builder.addPtr(task);
 * assertEquals(
 *   printType(Btf.parse(builder.build()), task),
 *   "struct task {\n\tstruct task *next;\n\tchar comm[16];\n};",
 * );
 * ```
 */
export function printType(btf: Btf, id: number): string {
  const printer = new Printer(btf), kind = btf.kind(id);
  switch (kind) {
    case BTF_KIND_FUNC:
    case BTF_KIND_VAR:
      return printer.declaration(btf.sizeOrType(id), btf.name(id), 0) + ";";
    case BTF_KIND_DATASEC:
      return Array.from({ length: btf.vlen(id) }, (_, i) => {
        const { type } = btf.secinfo(id, i);
        if (btf.kind(type) === BTF_KIND_DATASEC) {
          throw new BtfError(`${btf.label}: section ${btf.name(id)} holds a section`);
        }
        return printType(btf, type);
      }).join("\n");
    case BTF_KIND_DECL_TAG:
      return btf.kindFlag(id)
        ? `__attribute__((${btf.name(id)}))`
        : `__attribute__((btf_decl_tag("${btf.name(id)}")))`;
    default:
      return printer.definition(id) ?? printer.declaration(id, "", 0);
  }
}

/**
 * The declaration of something of a type: `char comm[16]`, `int (*open)(struct inode *, struct file *)`.
 *
 * @param name What is declared; empty: the type alone.
 *
 * @example
 * ```ts
 * import { printDeclaration } from "detrace/lib/btf/print.ts";
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder();
 * const char = builder.addInt("char", 1, { char: true });
 * const name = builder.addArray(builder.addPtr(builder.addConst(char)), char, 4);
 * assertEquals(printDeclaration(Btf.parse(builder.build()), name, "names"), "const char *names[4]");
 * ```
 */
export function printDeclaration(btf: Btf, id: number, name: string): string {
  return new Printer(btf).declaration(id, name, 0);
}

/**
 * {@linkcode printDeclaration} for many types of one BTF: quicker, and damaged types cannot make it endless, however many
 * there are.
 *
 * @returns Takes a type's id and what is declared.
 */
export function declarations(btf: Btf): (id: number, name: string) => string {
  const printer = new Printer(btf);
  return (id, name) => printer.alone(id, name);
}

/**
 * Types as C with all that they need, in an order that compiles.
 *
 * @param ids What is wanted. All types if not given; of split BTF only its own, to stand behind those of its base.
 * @throws {BtfError} if a type contains itself or is otherwise damaged.
 *
 * @example
 * ```ts
 * import { printAll } from "detrace/lib/btf/print.ts";
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder();
 * builder.addTypedef("pid_t", builder.addInt("int", 4, { signed: true }));
 * assertEquals(printAll(Btf.parse(builder.build())), "typedef int pid_t;\n\n");
 * ```
 */
export function printAll(btf: Btf, ids?: Iterable<number>): string {
  const printer = new Printer(btf, btf.endId);
  printer.markReferenced();
  if (ids) {
    for (const id of ids) printer.add(id);
    return printer.text;
  }
  for (let id = 1; id < btf.firstId; id++) printer.add(id);
  printer.text = ""; // so far it is what the base's own text has
  for (let id = btf.firstId; id < btf.endId; id++) printer.add(id);
  return printer.text;
}

/** What a typedef of the same name stands for: GCC's own types in arm_neon.h, which other compilers do not know. */
const ALIASES: Record<string, string> = {
  __Poly8_t: "unsigned char",
  __Poly16_t: "unsigned short",
  __Poly64_t: "unsigned long long",
  __Poly128_t: "unsigned __int128",
};

/** How deep types may be nested; the kernel's need about 20. */
const MAX_DEPTH = 500;

const NOT_YET = 0, NOW = 1, DONE = 2;

const roundUp = (n: number, to: number) => Math.ceil(n / to) * to;

class Printer {
  text = "";
  /** By type id: whether its definition has its place in the order. */
  readonly #ordered: Uint8Array;
  /** By type id: whether its definition has been written. */
  readonly #written: Uint8Array;
  /** By type id: whether it has been declared, but not defined. */
  readonly #declared: Uint8Array;
  /** By type id: whether any type refers to it. An anonymous enum that none refers to stands alone. */
  readonly #referenced: Uint8Array;
  readonly #names = new Map<number, string>();
  /** How often a name was given: to structs, unions, enums; to typedefs and enumerators. */
  readonly #tags = new Map<string, number>();
  readonly #identifiers = new Map<string, number>();
  readonly #alignments = new Map<number, number>();
  #queue: number[] = [];
  #depth = 0;
  #steps = 0;

  /** @param n One past the last type that can be added; none, for declarations alone. */
  constructor(readonly btf: Btf, n = 0) {
    this.#ordered = new Uint8Array(n);
    this.#written = new Uint8Array(n);
    this.#declared = new Uint8Array(n);
    this.#referenced = new Uint8Array(n);
    this.#ordered[0] = this.#written[0] = DONE;
  }

  #bad(what: string): never {
    throw new BtfError(`${this.btf.label} is damaged: ${what}`);
  }

  /** Calls `f` one level deeper. Bounds depth and time, which damaged types could make endless or exponential. */
  #nested<T>(id: number, f: () => T): T {
    if (this.#depth > MAX_DEPTH) this.#bad(`type ${id} is nested too deep`);
    this.#step();
    this.#depth++;
    const result = f();
    this.#depth--;
    return result;
  }

  #step(): void {
    if (this.#steps++ > 2e5 + 1000 * this.btf.endId) this.#bad("its types are too entangled to be printed");
  }

  /** All types that a type refers to. */
  #references(id: number): number[] {
    const { btf } = this, n = btf.vlen(id);
    const each = (type: (i: number) => number) => Array.from({ length: n }, (_, i) => type(i));
    switch (btf.kind(id)) {
      case BTF_KIND_PTR:
      case BTF_KIND_VOLATILE:
      case BTF_KIND_CONST:
      case BTF_KIND_RESTRICT:
      case BTF_KIND_TYPEDEF:
      case BTF_KIND_TYPE_TAG:
      case BTF_KIND_FUNC:
      case BTF_KIND_VAR:
      case BTF_KIND_DECL_TAG:
        return [btf.sizeOrType(id)];
      case BTF_KIND_ARRAY:
        return [btf.arrayElement(id)];
      case BTF_KIND_STRUCT:
      case BTF_KIND_UNION:
        return each((i) => btf.memberType(id, i));
      case BTF_KIND_FUNC_PROTO:
        return [btf.sizeOrType(id), ...each((i) => btf.paramType(id, i))];
      case BTF_KIND_DATASEC:
        return each((i) => btf.secinfo(id, i).type);
      default:
        return [];
    }
  }

  /** A declaration that has nothing to do with those before. */
  alone(id: number, name: string): string {
    for (const names of [this.#names, this.#tags, this.#identifiers]) names.clear();
    return this.declaration(id, name, 0);
  }

  markReferenced(): void {
    for (let id = 1; id < this.btf.endId; id++) {
      // What a function returns does not count: so it is with libbpf.
      const types = this.#references(id);
      if (this.btf.kind(id) === BTF_KIND_FUNC_PROTO) types.shift();
      for (const type of types) this.#referenced[type] = 1;
    }
  }

  /** Writes the definition of a type and of all that it needs, unless that has been done. */
  add(id: number): void {
    this.#queue = [];
    this.#order(id, false);
    for (const id of this.#queue) this.#write(id, 0);
  }

  /**
   * Queues what has to be defined for a type. Returns whether that is needed in full: if not, a declaration is enough,
   * since it was come to through a pointer.
   */
  #order(id: number, throughPointer: boolean): boolean {
    const { btf } = this, kind = btf.kind(id), named = btf.nameOffset(id) !== 0;
    if (this.#ordered[id] === DONE) return true;
    if (this.#ordered[id] === NOW) {
      if ((kind === BTF_KIND_STRUCT || kind === BTF_KIND_UNION) && throughPointer && named) return false;
      this.#bad(`type ${id} (${btf.name(id)}) contains itself`);
    }
    const refer = (through: boolean) =>
      this.#nested(id, () => this.#references(id).map((type) => this.#order(type, through)).includes(true));
    switch (kind) {
      case BTF_KIND_PTR: {
        const strong = refer(true);
        this.#ordered[id] = DONE;
        return strong;
      }
      case BTF_KIND_ARRAY:
        return refer(false);
      case BTF_KIND_VOLATILE:
      case BTF_KIND_CONST:
      case BTF_KIND_RESTRICT:
      case BTF_KIND_TYPE_TAG:
      case BTF_KIND_FUNC_PROTO:
        return refer(throughPointer);
      case BTF_KIND_STRUCT:
      case BTF_KIND_UNION:
        if (throughPointer && named) return false;
        this.#ordered[id] = NOW;
        refer(false);
        if (named) this.#queue.push(id);
        break;
      case BTF_KIND_ENUM:
      case BTF_KIND_ENUM64:
      case BTF_KIND_FWD:
        if (named || !this.#referenced[id]) this.#queue.push(id);
        break;
      case BTF_KIND_TYPEDEF:
        if (!refer(throughPointer) && throughPointer) return false;
        this.#queue.push(id);
        break;
      default: // int and float are always there; functions, variables, tags are no types to define
        this.#ordered[id] = DONE;
        return false;
    }
    this.#ordered[id] = DONE;
    return true;
  }

  /** Writes a definition, or, as part of the type `container`, what has to be declared before that one. */
  #write(id: number, container: number): void {
    const { btf } = this,
      kind = btf.kind(id),
      composite = kind === BTF_KIND_STRUCT || kind === BTF_KIND_UNION;
    if (this.#written[id] === DONE) return;
    const named = btf.nameOffset(id) !== 0;
    const define = () => {
      if (kind === BTF_KIND_TYPEDEF && btf.name(id) === "__builtin_va_list") return; // the compiler has its own
      this.text += this.definition(id) + "\n\n";
    };
    const declare = () => {
      this.text += `${KIND_NAMES[kind]} ${this.#name(id, this.#tags)};\n\n`;
      this.#declared[id] = 1;
    };
    const refer = (container: number) =>
      this.#nested(id, () => {
        for (const type of this.#references(id)) this.#write(type, container);
      });
    if (this.#written[id] === NOW) {
      if (this.#declared[id]) return;
      if (composite) {
        if (id === container) return;
        if (!named) this.#bad(`anonymous type ${id} contains itself`);
        declare();
      } else if (kind === BTF_KIND_TYPEDEF) {
        define();
        this.#declared[id] = 1;
      }
      return;
    }
    switch (kind) {
      case BTF_KIND_INT: {
        const alias = ALIASES[btf.name(id)];
        if (alias) this.text += `typedef ${alias} ${btf.name(id)};\n\n`;
        break;
      }
      case BTF_KIND_ENUM:
      case BTF_KIND_ENUM64:
        if (!container) define();
        break;
      case BTF_KIND_FWD:
        define();
        break;
      case BTF_KIND_TYPEDEF:
        this.#written[id] = NOW;
        refer(id);
        if (!this.#declared[id]) define();
        break;
      case BTF_KIND_STRUCT:
      case BTF_KIND_UNION:
        this.#written[id] = NOW;
        if (!container || !named) refer(named ? id : container);
        else if (!this.#declared[id] && id !== container) declare();
        if (container) {
          this.#written[id] = NOT_YET;
          return;
        }
        define();
        break;
      case BTF_KIND_PTR:
      case BTF_KIND_VOLATILE:
      case BTF_KIND_CONST:
      case BTF_KIND_RESTRICT:
      case BTF_KIND_TYPE_TAG:
      case BTF_KIND_ARRAY:
      case BTF_KIND_FUNC_PROTO:
        refer(container);
        return;
      default:
        return;
    }
    this.#written[id] = DONE;
  }

  /** The definition that a struct, union, enum, forward declaration or typedef is; no other kind has one. */
  definition(id: number): string | undefined {
    const { btf } = this;
    switch (btf.kind(id)) {
      case BTF_KIND_STRUCT:
      case BTF_KIND_UNION:
        return this.#struct(id, 0) + ";";
      case BTF_KIND_ENUM:
      case BTF_KIND_ENUM64:
        return this.#enum(id, 0) + ";";
      case BTF_KIND_FWD:
        return `${btf.kindFlag(id) ? "union" : "struct"} ${this.#name(id, this.#tags)};`;
      case BTF_KIND_TYPEDEF: {
        const name = this.#name(id, this.#identifiers), type = btf.sizeOrType(id);
        // Old versions of GCC say that it is void.
        return `typedef ${
          !type && name === "__gnuc_va_list" ? `__builtin_va_list ${name}` : this.declaration(type, name, 0)
        };`;
      }
    }
  }

  /** The name of a type: with `___2` and so on if others had it before. */
  #name(id: number, taken: Map<string, number>): string {
    const { btf } = this, kind = btf.kind(id);
    let name = this.#names.get(id);
    if (name === undefined) {
      name = btf.name(id);
      // Mere declarations may be repeated.
      if (name && kind !== BTF_KIND_FWD && (kind !== BTF_KIND_ENUM || btf.vlen(id))) {
        name = this.#unique(name, taken);
      }
      this.#names.set(id, name);
    }
    return name;
  }

  #unique(name: string, taken: Map<string, number>): string {
    const count = (taken.get(name) ?? 0) + 1;
    taken.set(name, count);
    return count > 1 ? `${name}___${count}` : name;
  }

  #head(id: number): string {
    const kind = KIND_NAMES[this.btf.kind(id)]!.replace("64", ""), name = this.#name(id, this.#tags);
    return name ? `${kind} ${name}` : kind;
  }

  #enum(id: number, level: number): string {
    const { btf } = this, n = btf.vlen(id), wide = btf.kind(id) === BTF_KIND_ENUM64;
    let text = this.#head(id), large = false;
    if (!n) return text;
    text += " {";
    const suffix = !wide ? "" : btf.enumIsSigned(id) ? "LL" : "ULL";
    for (let i = 0; i < n; i++) {
      const value = btf.enumValue(id, i);
      large ||= wide && BigInt.asUintN(64, value) >> 32n !== 0n;
      text += `\n${"\t".repeat(level + 1)}${
        this.#unique(btf.enumName(id, i), this.#identifiers)
      } = ${value}${suffix},`;
    }
    text += `\n${"\t".repeat(level)}}`;
    // Sizes that the values alone do not give.
    const size = btf.sizeOrType(id);
    if (size === 1) text += " __attribute__((mode(byte)))";
    else if (size === 8 && btf.pointerSize === 8 && !large) text += " __attribute__((mode(word)))";
    return text;
  }

  /** Alignment in bytes as a compiler would choose it; 0 if unknown. A packed struct has 1. */
  #alignment(id: number): number {
    const { btf } = this;
    const known = this.#alignments.get(id);
    if (known !== undefined) return known;
    const alignment = this.#nested(id, () => {
      switch (btf.kind(id)) {
        case BTF_KIND_INT:
        case BTF_KIND_ENUM:
        case BTF_KIND_ENUM64:
        case BTF_KIND_FLOAT:
          return Math.min(btf.pointerSize, btf.sizeOrType(id));
        case BTF_KIND_PTR:
          return btf.pointerSize;
        case BTF_KIND_TYPEDEF:
        case BTF_KIND_VOLATILE:
        case BTF_KIND_CONST:
        case BTF_KIND_RESTRICT:
        case BTF_KIND_TYPE_TAG:
          return this.#alignment(btf.sizeOrType(id));
        case BTF_KIND_ARRAY:
          return this.#alignment(btf.arrayElement(id));
        case BTF_KIND_STRUCT:
        case BTF_KIND_UNION: {
          let most = 1;
          for (let i = 0; i < btf.vlen(id); i++) {
            const one = this.#alignment(btf.memberType(id, i));
            if (one <= 0) return one;
            most = Math.max(most, one);
            if (this.#misaligned(id, i, one)) return 1;
          }
          return btf.sizeOrType(id) % most ? 1 : most;
        }
        default:
          return 0;
      }
    });
    this.#alignments.set(id, alignment);
    return alignment;
  }

  #misaligned(id: number, member: number, alignment: number): boolean {
    return !this.btf.memberBitfieldSize(id, member) &&
      this.btf.memberBitOffset(id, member) % (8 * alignment) !== 0;
  }

  #packed(id: number): boolean {
    const { btf } = this;
    let most = 1;
    for (let i = 0; i < btf.vlen(id); i++) {
      const one = this.#alignment(btf.memberType(id, i));
      if (one && this.#misaligned(id, i, one)) return true;
      most = Math.max(most, one);
    }
    return btf.sizeOrType(id) % most !== 0;
  }

  #size(id: number): number {
    try {
      return this.btf.sizeOf(id);
    } catch (error) {
      if (error instanceof BtfError) return 0;
      throw error;
    }
  }

  #struct(id: number, level: number): string {
    const { btf } = this,
      isStruct = btf.kind(id) === BTF_KIND_STRUCT,
      n = btf.vlen(id),
      size = btf.sizeOrType(id);
    const packed = isStruct && this.#packed(id), line = "\n" + "\t".repeat(level + 1);
    let text = this.#head(id) + " {", end = 0, bitfieldBefore = false;
    for (let i = 0; i < n; i++) {
      const type = btf.memberType(id, i),
        offset = btf.memberBitOffset(id, i),
        bits = btf.memberBitfieldSize(id, i);
      const alignment = packed ? 1 : this.#alignment(type);
      text += this.#padding(end, offset, alignment, bitfieldBefore && bits > 0, line);
      text += line + this.declaration(type, btf.memberName(id, i), level + 1) + (bits ? `: ${bits};` : ";");
      end = offset + (bits || 8 * this.#size(type));
      bitfieldBefore = bits > 0;
    }
    if (isStruct) text += this.#padding(end, 8 * size, this.#alignment(id), false, line);
    return text + (n || size ? line.slice(0, -1) : "") + "}" + (packed ? " __attribute__((packed))" : "");
  }

  /** Unnamed bitfields from bit `from` to bit `to`, where the compiler would leave no gap, or not that one. */
  #padding(from: number, to: number, alignment: number, inBitfield: boolean, line: string): string {
    if (from >= to) return "";
    const units: [string, number][] = [["long", 8 * this.btf.pointerSize], ["int", 32], ["short", 16], [
      "char",
      8,
    ]];
    const [unit, bits] = units.find(([, bits]) => roundUp(from, bits) <= to) ?? units[3]!;
    let text = "";
    const start = roundUp(from, bits);
    if (start > from && start <= to) {
      // A compiler goes on to `start` by itself if the next member's alignment asks for it, or the next padding's.
      const needed = start === to ? roundUp(from, 8 * alignment) !== start : to - start <= start - from;
      if (inBitfield || needed) text += `${line}${unit}: ${inBitfield ? start - from : 0};`;
      from = start;
    }
    for (; to - from >= bits; from += bits) {
      this.#step();
      text += `${line}${unit}: ${bits};`;
    }
    if (to > from) text += `${line}${units.findLast(([, bits]) => bits >= to - from)![0]}: ${to - from};`;
    return text;
  }

  /** A declaration of `name`, which may be empty; `level`: how far a definition within it is indented. */
  declaration(id: number, name: string, level: number): string {
    const { btf } = this, chain = [id];
    for (;;) {
      if (chain.length > MAX_DEPTH) this.#bad(`type ${id} is nested too deep`);
      const last = chain.at(-1)!;
      switch (btf.kind(last)) {
        case BTF_KIND_PTR:
        case BTF_KIND_VOLATILE:
        case BTF_KIND_CONST:
        case BTF_KIND_RESTRICT:
        case BTF_KIND_TYPE_TAG:
        case BTF_KIND_FUNC_PROTO:
          chain.push(btf.sizeOrType(last));
          continue;
        case BTF_KIND_ARRAY:
          chain.push(btf.arrayElement(last));
          continue;
      }
      return this.#nested(id, () => this.#declarator(chain, name, level));
    }
  }

  /** Writes a chain of types from the last one back to the first. */
  #declarator(chain: number[], name: string, level: number): string {
    const { btf } = this;
    let text = "", afterPointer = true;
    const isModifier = (id: number | undefined, tags: boolean) => {
      const kind = id === undefined ? 0 : btf.kind(id);
      return kind === BTF_KIND_CONST || kind === BTF_KIND_VOLATILE || kind === BTF_KIND_RESTRICT ||
        tags && kind === BTF_KIND_TYPE_TAG;
    };
    /** Modifiers stand before what is no pointer. */
    const modifiers = () => {
      let text = "";
      while (isModifier(chain.at(-1), false)) text += KIND_NAMES[btf.kind(chain.pop()!)] + " ";
      return text;
    };
    /** GCC repeats those of an array's elements at the array, and writes some for functions: they mean nothing. */
    const dropModifiers = () => {
      while (isModifier(chain.at(-1), true)) chain.pop();
    };
    const spaced = () => (name && !afterPointer ? " " : "") + name;
    while (chain.length) {
      const id = chain.pop()!, kind = btf.kind(id);
      switch (kind) {
        case BTF_KIND_UNKN:
          text += modifiers() + "void";
          break;
        case BTF_KIND_INT:
        case BTF_KIND_FLOAT:
          text += modifiers() + btf.name(id);
          break;
        case BTF_KIND_STRUCT:
        case BTF_KIND_UNION:
          text += modifiers() + (btf.nameOffset(id) ? this.#head(id) : this.#struct(id, level));
          break;
        case BTF_KIND_ENUM:
        case BTF_KIND_ENUM64:
          text += modifiers() + (btf.nameOffset(id) ? this.#head(id) : this.#enum(id, level));
          break;
        case BTF_KIND_FWD:
          text += `${modifiers()}${btf.kindFlag(id) ? "union" : "struct"} ${this.#name(id, this.#tags)}`;
          break;
        case BTF_KIND_TYPEDEF:
          text += modifiers() + this.#name(id, this.#identifiers);
          break;
        case BTF_KIND_PTR:
          text += afterPointer ? "*" : " *";
          break;
        case BTF_KIND_CONST:
        case BTF_KIND_VOLATILE:
        case BTF_KIND_RESTRICT:
          text += " " + KIND_NAMES[kind];
          break;
        case BTF_KIND_TYPE_TAG: {
          const tag = btf.kindFlag(id) ? btf.name(id) : `btf_type_tag("${btf.name(id)}")`;
          text += `${modifiers()} __attribute__((${tag}))`;
          break;
        }
        case BTF_KIND_ARRAY: {
          dropModifiers();
          const length = `[${btf.arrayLength(id)}]`;
          if (!chain.length) return text + spaced() + length;
          if (name && !afterPointer) text += " ";
          const ofArrays = btf.kind(chain.at(-1)!) === BTF_KIND_ARRAY;
          const inner = this.#declarator(chain, name, level);
          return text + (ofArrays ? inner : `(${inner})`) + length;
        }
        case BTF_KIND_FUNC_PROTO: {
          dropModifiers();
          text += chain.length ? ` (${this.#declarator(chain, name, level)})` : spaced();
          const n = btf.vlen(id), params: string[] = [];
          for (let i = 0; i < n; i++) {
            const type = btf.paramType(id, i);
            params.push(type || i < n - 1 ? this.declaration(type, btf.paramName(id, i), level) : "...");
          }
          return `${text}(${n > 1 || n && btf.paramType(id, 0) ? params.join(", ") : "void"})`;
        }
        default:
          this.#bad(`type ${id} (${KIND_NAMES[kind] ?? kind}) is no type of a value`);
      }
      afterPointer = kind === BTF_KIND_PTR;
    }
    return text + spaced();
  }
}
