#!/usr/bin/env -S deno run --allow-ffi
/**
 * btf: shows, searches, compares and cuts down type information, and tells what CO-RE makes of a program.
 *
 * @module
 */

import { disassembleInsn } from "../lib/asm/disassemble.ts";
import { type Btf, BTF_KIND_STRUCT, BTF_KIND_UNION, BtfError, KIND_NAMES } from "../lib/btf/btf.ts";
import { decodeType } from "../lib/btf/decode.ts";
import { type BtfChange, type BtfPart, diffBtf } from "../lib/btf/diff.ts";
import { loadKernelBtf, loadModuleBtf, loadModuleBtfs, moduleNames } from "../lib/btf/kernel.ts";
import { loadBtfById, loadBtfOfMap, loadBtfOfProgram } from "../lib/btf/loaded.ts";
import { printAll } from "../lib/btf/print.ts";
import { rawLines } from "../lib/btf/raw.ts";
import { Command, ValidationError } from "../lib/cli/command.ts";
import { printable } from "../lib/cli/escape.ts";
import { Table } from "../lib/cli/output.ts";
import { runTool } from "../lib/cli/tool.ts";
import { explainRelocations } from "../lib/core/explain.ts";
import { type CoreObject, minimalBtf } from "../lib/core/min.ts";
import { DetraceError } from "../lib/error.ts";
import { readObject } from "../lib/object/read.ts";
import type { FunctionSpec } from "../lib/object/spec.ts";
import { closeFd } from "../lib/sys/door.ts";
import { exists, O_CREAT, O_TRUNC, O_WRONLY, open, readAt, readFile, stat, write } from "../lib/sys/file.ts";
import { kernelVersion } from "../lib/sys/process.ts";

const VERSION = "0.1";
const SOURCES = {
  "vmlinux": "The running kernel, the default",
  "MODULE": "A loaded module, by name: its own types, on top of the kernel's",
  "FILE": "Raw BTF, or an ELF file with a section .BTF (./FILE if a module is called so)",
  "prog ID": "What a loaded program brought with it",
  "map ID": "The same of a map; dump shows its key and its value",
  "btf ID": "A BTF object of the kernel",
};
const BTF_OPTION = "The kernel's types: vmlinux (default), a module or a file";

// What is shared.

/** Types, and which of them are meant if not all. */
interface Source {
  btf: Btf;
  ids?: number[];
}

/** Takes the words that name a source from the front of a list. */
function takeSource(words: string[], base?: string): Source {
  const word = (words.shift() ?? "vmlinux").replace(/^\/sys\/kernel\/btf\//, "");
  if (/^(prog|map|btf)$/.test(word) && /^\d+$/.test(words[0] ?? "")) {
    const id = Number(words.shift());
    if (word === "prog") return { btf: loadBtfOfProgram(id) };
    if (word === "btf") return { btf: loadBtfById(id) };
    const { btf, key, value } = loadBtfOfMap(id);
    return { btf, ids: [key, value] };
  }
  if (word === "vmlinux") return { btf: loadKernelBtf() };
  if (moduleNames().includes(word)) return { btf: loadModuleBtf(word, loadKernelBtf()) };
  if (!exists(word)) {
    const old = kernelVersion() < 0x050b00 ? { hint: "this kernel has no BTF of modules (Linux 5.11)" } : {};
    throw new DetraceError(`'${word}' is neither a file nor a loaded module with BTF`, old);
  }
  if (base !== undefined) return { btf: loadKernelBtf(word, takeSource([base]).btf) };
  try {
    return { btf: loadKernelBtf(word) };
  } catch (cause) {
    if (!(cause instanceof BtfError) || !cause.message.includes("strings")) throw cause;
    throw new DetraceError(cause.message, {
      cause,
      hint: "if it continues another BTF, name that with --base",
    });
  }
}

/** The source that all words name. */
function onlySource(words: string[], base?: string): Source {
  const source = takeSource(words, base);
  if (words.length) throw new ValidationError(`surplus argument '${words[0]}'`);
  return source;
}

function* idsOf(btf: Btf): Generator<number> {
  for (let id = btf.firstId; id < btf.endId; id++) yield id;
}

/** Tells names that a pattern with `*` and `?` fits. */
function glob(pattern: string): (name: string) => boolean {
  const parts = pattern.replace(/[.+^${}()|\\[\]]/g, "\\$&").replace(/\*+/g, ".*").replaceAll("?", ".");
  const regexp = new RegExp(`^${parts}$`, "s");
  return (name) => regexp.test(name);
}

/** A pipe would be waited for, and a device has no end. */
function isRegular(path: string): boolean {
  return (stat(path).mode & 0o170000) === 0o100000;
}

function readRegular(path: string): Uint8Array<ArrayBuffer> {
  if (!isRegular(path)) throw new DetraceError(`'${path}' is not a regular file`);
  return readFile(path);
}

/** `dir/my-tool.bpf.o` → `my_tool`. */
function nameOf(path: string): string {
  return path.replace(/.*\//s, "").replace(/(\.bpf)?\.o$/, "").replace(/\W/g, "_");
}

/** An object file's types and functions. */
function readCore(path: string): CoreObject & { functions: FunctionSpec[] } {
  try {
    const { btf, programs, functions } = readObject(readRegular(path), nameOf(path));
    if (!btf) throw new DetraceError("it has no BTF");
    return { btf, functions: [...programs.values(), ...functions.values()] };
  } catch (cause) {
    if (!(cause instanceof DetraceError)) throw cause;
    const hint = cause.hint === undefined ? {} : { hint: cause.hint };
    throw new DetraceError(`cannot read '${path}': ${cause.message}`, { cause, ...hint });
  }
}

// btf dump

const dump = new Command()
  .name("btf dump")
  .version(VERSION)
  .description(
    "Prints types: raw as they are stored (default), or as C that compiles, each as `bpftool btf dump` prints it.",
  )
  .arguments("[format] [source...]")
  .option("-t, --type <name:string[]>", "Only types of these names; as C with all that they need")
  .option("-B, --base <source>", "What the split BTF of a file continues")
  .option("--json", "Print one JSON object a type (raw)")
  .example("btf dump c > vmlinux.h", "the kernel's types for C programs")
  .example("btf dump c -t task_struct,sock", "two types and what they need")
  .example("btf dump raw nf_tables", "what a module adds")
  .section("Format", {
    "raw": "Each type as it is stored, with its id",
    "c":
      "A header that compiles (with -fms-extensions from Linux 6.19 on); a module's is to be included behind the kernel's",
  })
  .section("Source", SOURCES);

const runDump = () =>
  runTool(dump, (options, { args, output }) => {
    const words = args.filter((word) => word !== undefined);
    const format = words[0] === "raw" || words[0] === "c" ? words.shift() : "raw";
    if (options.json && format === "c") throw new ValidationError("C has no --json");
    const { btf, ...source } = onlySource(words, options.base);
    let { ids } = source;
    if (options.type) {
      const missing = new Set(options.type);
      ids = [...Array(btf.endId).keys()].filter((id) => {
        const name = btf.name(id);
        return options.type!.includes(name) && (missing.delete(name), true);
      });
      if (missing.size) throw new DetraceError(`${btf.label} has no type ${[...missing].join(", ")}`);
    }
    if (format === "raw") {
      for (const id of ids ?? idsOf(btf)) {
        if (options.json) output.json(decodeType(btf, id)).newline();
        else for (const line of rawLines(btf, id)) output.text(printable(line, "\t")).newline();
      }
      return;
    }
    const guard = !btf.base || ids;
    if (guard) output.text("#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n\n");
    output.text(
      "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n" +
        "#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)\n#endif\n\n",
    );
    output.text(printable(printAll(btf, ids), "\n\t"));
    output.text("#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n#pragma clang attribute pop\n#endif\n");
    if (guard) output.text("\n#endif /* __VMLINUX_H__ */\n");
  }, rest);

// btf find

const find = new Command()
  .name("btf find")
  .version(VERSION)
  .description("Lists types, functions and variables by name.")
  .arguments("<pattern> [source...]")
  .option(
    "-m, --members <pattern>",
    "Only structs and unions with a member of this name, also in anonymous members",
  )
  .option("-B, --base <source>", "What the split BTF of a file continues")
  .option("--json", "Print one JSON object a line")
  .example("btf find 'tcp_*sock'", "names may have * for any characters, ? for one")
  .example("btf find '*' -m __state", "what has a member __state")
  .section("Columns", { "SIZE": "Bytes, if it has a size", "ID": "Number of the type in its BTF" })
  .section("Source", SOURCES);

/** Whether a struct or union has a member of such a name, in anonymous members too. */
function hasMember(
  btf: Btf,
  id: number,
  wanted: (name: string) => boolean,
  seen = new Set<number>(),
): boolean {
  const kind = btf.kind(id);
  // No struct has so many anonymous members; damaged ones could have any number.
  if (kind !== BTF_KIND_STRUCT && kind !== BTF_KIND_UNION || seen.has(id) || seen.size > 1000) return false;
  seen.add(id);
  for (let i = 0; i < btf.vlen(id); i++) {
    const name = btf.memberName(id, i);
    if (name ? wanted(name) : hasMember(btf, btf.skip(btf.memberType(id, i)), wanted, seen)) return true;
  }
  return false;
}

function sizeOf(btf: Btf, id: number): number | undefined {
  try {
    return btf.sizeOf(id);
  } catch (error) {
    if (error instanceof BtfError) return undefined;
    throw error;
  }
}

const runFind = () =>
  runTool(find, (options, { args: [pattern, ...words], output }) => {
    const { btf } = onlySource(words, options.base), wanted = glob(pattern);
    const member = options.members === undefined ? undefined : glob(options.members);
    const table = new Table(output, [
      { title: "KIND", width: 8 },
      { title: "SIZE", width: 8, right: true },
      { title: "ID", width: 7, right: true },
      { title: "NAME" },
    ], options.json);
    let found = false;
    for (const id of idsOf(btf)) {
      const name = btf.name(id), kind = btf.kind(id);
      if (!name || !wanted(name) || member && !hasMember(btf, id, member)) continue;
      if (!found) table.header();
      found = true;
      const size = KIND_NAMES[kind] === "func" ? undefined : sizeOf(btf, id);
      table.text(KIND_NAMES[kind] ?? `kind ${kind}`);
      if (size === undefined) table.none();
      else table.number(size);
      table.number(id).text(name).end();
    }
    if (!found) {
      const what = member ? ` with a member '${options.members}'` : "";
      throw new DetraceError(`${btf.label} has no type '${pattern}'${what}`);
    }
  }, rest);

// btf min

const min = new Command()
  .name("btf min")
  .version(VERSION)
  .description(
    "Writes the least BTF that the relocations of some objects need: what to ship for a kernel that has none.",
  )
  .arguments("<output> <object...>")
  .option("-b, --btf <source>", BTF_OPTION)
  .example("btf min 5.4.btf --btf vmlinux-5.4 opensnoop.bpf.o", "opensnoop's part of a kernel's types");

const runMin = () =>
  runTool(min, (options, { args: [path, ...objects] }) => {
    if (exists(path) && isRegular(path) && new TextDecoder().decode(readAt(path, 0n, 4)) === "\x7fELF") {
      throw new ValidationError(`the output comes first, and '${path}' is an object`);
    }
    const { btf } = onlySource([options.btf ?? "vmlinux"]);
    const bytes = minimalBtf(btf, objects.map(readCore));
    const fd = open(path, O_WRONLY | O_CREAT | O_TRUNC);
    try {
      write(fd, bytes, path);
    } finally {
      closeFd(fd);
    }
  }, rest);

// btf skeleton

const skeleton = new Command()
  .name("btf skeleton")
  .version(VERSION)
  .description(
    "Prints the TypeScript that loads an object: its bytes, typed globals, a reader for each record.",
  )
  .arguments("<object>")
  .option("-l, --lib <url>", "Where detrace's lib/ is, for the imports", { default: "../lib" })
  .example("btf skeleton my.bpf.o > my.ts", "then `deno fmt my.ts`");

const runSkeleton = () =>
  runTool(skeleton, async (options, { args: [path], output }) => {
    const { generateSkeleton } = await import("../lib/object/generate.ts"); // it knows all of the loader
    const text = generateSkeleton(readRegular(path), nameOf(path));
    const imports = text.replace(/^(import .* from ")\.\.\/lib(?=\/)/gm, (_, start) => start + options.lib);
    output.text(printable(imports, "\n\t"));
  }, rest);

// btf relocs

const relocs = new Command()
  .name("btf relocs")
  .version(VERSION)
  .description(
    "Shows each CO-RE relocation of an object: what it asks, what the kernel answers, what becomes of the instruction.",
  )
  .arguments("<object>")
  .option("-b, --btf <source>", BTF_OPTION)
  .option("-x, --failed", "Only those without an answer")
  .option("--json", "Print one JSON object a line")
  .example("btf relocs opensnoop.bpf.o", "against the running kernel")
  .example("btf relocs -x --btf 5.10.btf opensnoop.bpf.o", "what would not work there");

/** The source line of an instruction. */
function lineOf(
  btf: Btf,
  { lines }: FunctionSpec,
  insn: number,
): { file: string; line: number; text: string } | undefined {
  let i = lines.length - 4;
  while (i >= 0 && lines[i]! > insn) i -= 4;
  return i < 0 ? undefined : {
    file: btf.string(lines[i + 1]!),
    line: lines[i + 3]! >>> 10,
    text: btf.string(lines[i + 2]!).trim(),
  };
}

const runRelocs = () =>
  runTool(relocs, (options, { args: [path], output }) => {
    const object = readCore(path), littleEndian = object.btf.littleEndian;
    const { btf } = onlySource([options.btf ?? "vmlinux"]), { base } = btf;
    const modules = () => base ? [btf] : options.btf ? [] : [...loadModuleBtfs(btf).values()];
    const text = (insns: Uint8Array, index: number) =>
      (index + 1) * 8 <= insns.length && index % 1 === 0
        ? disassembleInsn(insns, index, { littleEndian })
        : "";
    for (const one of explainRelocations(object, { vmlinux: base ?? btf, modules })) {
      const { matches, localValue, targetValue, poison, refusal } = one, failure = poison ?? refusal;
      if (options.failed && !failure) continue;
      const fn = one.fn as FunctionSpec,
        insn = one.relocation.offset / 8,
        line = lineOf(object.btf, fn, insn);
      const before = text(fn.insns, insn), after = text(one.insns, insn);
      if (options.json) {
        output.json({
          function: fn.name,
          insn,
          ...line && { file: line.file, line: line.line, source: line.text },
          relocation: one.words,
          local: localValue ?? null,
          target: targetValue ?? null,
          types: matches.map(({ btf, typeId, words }) => ({ btf: btf.label, id: typeId, access: words })),
          ...poison !== undefined && { poison },
          ...refusal !== undefined && { refusal },
          before,
          after,
        }).newline();
        continue;
      }
      const where = line ? `  ${line.file}:${line.line}: ${line.text}` : "";
      const answer = refusal !== undefined
        ? `the object is refused: ${refusal}`
        : `${localValue} -> ${poison !== undefined ? `poisoned: ${poison}` : targetValue}`;
      const from = matches.map(({ btf, typeId, words }) => `    ${words}, type ${typeId} of ${btf.label}`);
      for (
        const line of [
          `${fn.name}+${insn}${where}`,
          `  ${one.words}: ${answer}`,
          ...from,
          `  before: ${before}`,
          `  after:  ${after}`,
        ]
      ) output.text(printable(line)).newline();
    }
  }, rest);

// btf diff

const diff = new Command()
  .name("btf diff")
  .version(VERSION)
  .description("Shows what changed in types, functions and variables from one source to another.")
  .arguments("<source> <source> [names...]")
  .option("--json", "Print one JSON object a changed type")
  .example("btf diff 5.10.btf vmlinux task_struct", "what became of task_struct since 5.10")
  .example("btf diff a.btf b.btf 'vfs_*'", "names may have * for any characters, ? for one")
  .section("Output", {
    "+": "Added: a type, a member at a byte (or byte:bit), a value",
    "-": "Removed",
    "~": "Moved, renamed, or of another type or value",
  })
  .section("Exit status", "0, whether there are differences or not.")
  .section("Source", SOURCES);

const runDiff = () =>
  runTool(diff, (options, { args, output }) => {
    const words = [...args], before = takeSource(words).btf;
    if (!words.length) throw new ValidationError("missing argument SOURCE");
    const after = takeSource(words).btf, names = words.map(glob);
    const wanted = (name: string) => !names.length || names.some((fits) => fits(name));
    for (const change of diffBtf(before, after, wanted)) {
      if (options.json) output.json(change).newline();
      else for (const line of changeLines(change)) output.text(printable(line)).newline();
    }
  }, rest);

/** A changed type as text. */
function changeLines({ kind, name, before, after, parts }: BtfChange): string[] {
  const isEnum = kind === "enum" || (before ?? after)!.text.startsWith("typedef enum {");
  const what = (before ?? after)!.text || `${kind} ${name}`;
  const bytes = (size: number | undefined) => size === undefined ? "" : `, ${size} bytes`;
  if (!before) return [`+ ${what}${bytes(after!.size)}`];
  if (!after) return [`- ${what}${bytes(before.size)}`];
  const lines: string[] = [];
  if (before.text !== after.text) lines.push(`- ${before.text}`, `+ ${after.text}`);
  else lines.push(`~ ${what}${before.size === after.size ? "" : `, ${before.size} -> ${after.size} bytes`}`);
  const place = (at: bigint) => isEnum ? `${at}` : `${at / 8n}${at % 8n ? `:${at % 8n}` : ""}`;
  const whole = ({ name, type, at }: BtfPart) =>
    isEnum ? `${name} = ${at}` : `${name} (${type}) at ${place(at)}`;
  for (let i = 0; i < parts.length; i++) {
    const { before, after } = parts[i]!;
    if (!before) lines.push(`    + ${whole(after!)}`);
    else if (!after) lines.push(`    - ${whole(before)}`);
    else {
      // Members that moved together are one line.
      const shift = after.at - before.at;
      let last = i;
      const moved = (i: number) => {
        const { before: b, after: a } = parts[i] ?? {};
        return b && a && a.at - b.at === shift && a.name === b.name && a.type === b.type;
      };
      while (moved(i) && moved(last + 1)) last++;
      const by = shift < 0n ? `-${place(-shift)}` : `+${place(shift)}`;
      if (last > i) {
        lines.push(`    ~ ${before.name} ... ${parts[last]!.before!.name}: ${last - i + 1} moved by ${by}`);
        i = last;
        continue;
      }
      const name = before.name === after.name ? before.name : `${before.name} -> ${after.name}`;
      const type = before.type === after.type ? "" : ` (${before.type} -> ${after.type})`;
      const at = shift ? `${place(before.at)} -> ${place(after.at)}` : place(after.at);
      lines.push(`    ~ ${name}${type}${isEnum ? " =" : " at"} ${at}`);
    }
  }
  return lines;
}

// btf

const btf = new Command()
  .name("btf")
  .version(VERSION)
  .description(
    "Shows, searches, compares and cuts down type information (BTF), and tells what CO-RE makes of a program.",
  )
  .arguments("<command> [argument...]")
  .section("Commands", {
    "dump": "Print types, as they are stored or as C",
    "find": "List types by name, or by a member",
    "diff": "Show what changed in types between two kernels",
    "relocs": "Show what becomes of each CO-RE relocation of an object",
    "min": "Write the least BTF that objects need",
    "skeleton": "Print the TypeScript that loads an object",
  })
  .section("Help", "btf COMMAND --help");

const [command = "", ...rest] = Deno.args;
switch (command) {
  case "dump":
    await runDump();
    break;
  case "find":
    await runFind();
    break;
  case "diff":
    await runDiff();
    break;
  case "relocs":
    await runRelocs();
    break;
  case "min":
    await runMin();
    break;
  case "skeleton":
    await runSkeleton();
    break;
  default:
    await runTool(btf, () => {
      throw new ValidationError(`unknown command '${command}'`);
    });
}
