/**
 * What is fuzzed: one row a reader. A row may do anything with its input but throw something else than a DetraceError,
 * or take long, or much memory.
 *
 * @module
 */

import { disassemble } from "../../lib/asm/disassemble.ts";
import { nameContexts } from "../../lib/btf/arg_ctx.ts";
import { Btf } from "../../lib/btf/btf.ts";
import { decodeType } from "../../lib/btf/decode.ts";
import { diffBtf } from "../../lib/btf/diff.ts";
import { parseBtfExt } from "../../lib/btf/ext.ts";
import { printAll, printType } from "../../lib/btf/print.ts";
import { rawLines } from "../../lib/btf/raw.ts";
import { ALL_FEATURES, type BtfFeatures, sanitizeBtf } from "../../lib/btf/sanitize.ts";
import { CoreRelocator } from "../../lib/core/core.ts";
import { explainRelocations } from "../../lib/core/explain.ts";
import { minimalBtf } from "../../lib/core/min.ts";
import { Elf, PF_X } from "../../lib/elf/elf.ts";
import { DetraceError } from "../../lib/error.ts";
import { codec } from "../../lib/maps/codec.ts";
import { readObject } from "../../lib/object/read.ts";
import { parseSection } from "../../lib/object/sections.ts";
import { verifierAdvice } from "../../lib/programs/hints.ts";
import { VerifierError } from "../../lib/programs/verifier_error.ts";
import { fileOffset, findFunctions, matchFunctions } from "../../lib/symbols/elf_file.ts";
import { searchLibraryCache } from "../../lib/symbols/find_file.ts";
import { Kallsyms } from "../../lib/symbols/kallsyms.ts";
import { parseMaps } from "../../lib/symbols/process.ts";
import { SymbolTable } from "../../lib/symbols/symbol_table.ts";
import { parseUsdtArguments, usdtSites } from "../../lib/symbols/usdt.ts";
import { Bytes } from "../elf/elf_writer.ts";
import { randomBtf } from "./graph.ts";
import { mutate, type Random } from "./mutate.ts";

/** A reader. */
export interface Target {
  name: string;
  /** Good inputs, which rounds damage; none if the row makes its own. */
  seeds: Uint8Array[];
  /** Reads everything that can be read of an input. `damage` is false when the input is a seed itself. */
  read(input: Uint8Array<ArrayBuffer>, random: Random, damage: boolean): void;
}

const fixture = (name: string) => Deno.readFileSync(new URL(`../fixtures/fuzz/${name}`, import.meta.url));
const section = (object: Uint8Array, name: string): Uint8Array => {
  const elf = Elf.parse(object);
  return elf.data(elf.section(name)!).slice();
};

const object = fixture("seed.bpf.o"), bigObject = fixture("seed_be.bpf.o"), library = fixture("seed_lib.so");
const probes = Deno.readFileSync(new URL("../fixtures/links/probes.x86.so", import.meta.url));
// glibc's struct cache_file_new with one entry.
const linkerCache = new Bytes().raw("glibc-ld.so.cache1.1").add(4, 1, 25, 2, 0, 0, 0, 0).add(
  4,
  0x303,
  72,
  81,
  0,
  0,
  0,
)
  .raw("libx.so.1\0/lib/libx.so.1\0").done();
const btfBytes = section(object, ".BTF"), btf = Btf.parse(btfBytes);
const bigBtfBytes = section(bigObject, ".BTF");
const extBytes = section(object, ".BTF.ext"), ext = parseBtfExt(extBytes, btf);
const targetBytes = section(fixture("target.bpf.o"), ".BTF"), target = Btf.parse(targetBytes);
const code = new Map([...ext.coreRelocations.keys()].map((name) => [name, section(object, name)]));

/** Calls each, and lets none of the deliberate errors of one keep the next from being called. */
function tryAll(...calls: (() => unknown)[]): void {
  for (const call of calls) {
    try {
      call();
    } catch (error) {
      if (!(error instanceof DetraceError)) throw error;
    }
  }
}

function readElf(bytes: Uint8Array): void {
  const elf = Elf.parse(bytes);
  for (const section of elf.sections) {
    tryAll(() => elf.data(section), () => elf.relocations(section), () => elf.section(section.name));
  }
  tryAll(() => elf.symbols("static"), () => elf.symbols("dynamic"), () => elf.notes(), () => elf.buildId());
  for (const type of [2, 11]) {
    tryAll(() => {
      const table = SymbolTable.fromElf(elf, type);
      for (const address of [0, 0x3a1, 0x3b0, 2 ** 53]) table?.find(address);
    });
  }
}

function readTypes(btf: Btf, random: Random): void {
  const names = new Set<string>();
  const first = btf.base ? btf.firstId - 1 : 0;
  for (let id = first; id <= btf.endId; id++) {
    tryAll(
      () => names.add(btf.name(id)),
      () => decodeType(btf, id),
      () => btf.skip(id),
      () => btf.sizeOf(id),
    );
  }
  for (let n = 0; n < 4; n++) {
    const id = first + random.below(btf.endId - first), i = random.of([0, 1, random.word()]);
    tryAll(
      () => btf.skipModifiers(id),
      () => btf.memberName(id, i),
      () => btf.memberType(id, i),
      () => btf.memberBitOffset(id, i),
      () => btf.memberBitfieldSize(id, i),
      () => btf.enumName(id, i),
      () => btf.enumValue(id, i),
      () => btf.paramName(id, i),
      () => btf.paramType(id, i),
      () => btf.secinfo(id, i),
    );
  }
  tryAll(() => btf.pointerSize, () => btf.find("task"), () => btf.findEssential(names));
}

function printTypes(btf: Btf, random: Random): void {
  tryAll(
    () => printAll(btf),
    () => printType(btf, random.below(btf.endId + 1)),
    () => rawLines(btf, random.below(btf.endId + 1)),
    () => diffBtf(btf, target),
    () => diffBtf(target, btf),
  );
}

function sanitize(btf: Btf, random: Random): void {
  const can = { ...ALL_FEATURES };
  for (const key in can) can[key as keyof BtfFeatures] = random.below(2) > 0;
  readTypes(Btf.parse(sanitizeBtf(btf, can)), random);
  const named = nameContexts(btf, [2, 6, 17]); // KPROBE, XDP, RAW_TRACEPOINT
  if (named) readTypes(Btf.parse(named.bytes), random);
}

/** Values of random bytes through the codecs of random types. */
function convert(btf: Btf, random: Random): void {
  for (let n = 0; n < 8; n++) {
    tryAll(() => {
      const type = codec(btf, random.below(btf.endId + 1), {
        chars: random.of(["string", "bytes"]),
        wide: random.of(["bigint", "number"]),
      });
      if (type.size > 1 << 16) return;
      type.encode(type.decode(new Uint8Array(type.size).fill(random.below(256))));
    });
  }
}

/** Path texts that no compiler writes. */
const PATHS = [
  "",
  ":",
  "0:",
  "0:-1",
  "0:1e9",
  "4294967296",
  "0:4294967295",
  "-1:0",
  "0:0x1",
  " 0:1",
  "0:5:1:1:0",
  "99999999:5",
  "0" + ":0".repeat(5000),
];

function relocate(local: Btf, target: Btf, random: Random, damage: boolean): void {
  const relocator = new CoreRelocator(local, { vmlinux: target });
  for (const [section, relocations] of ext.coreRelocations) {
    const insns = code.get(section)!.slice();
    if (!damage) relocator.relocate(insns, relocations, section);
    for (const relocation of relocations) {
      const damaged = {
        ...relocation,
        ...random.below(6) ? {} : { typeId: random.below(local.endId + 2) },
        ...random.below(6) ? {} : { kind: random.below(15) },
        ...random.below(6) ? {} : { accessString: random.of(PATHS) },
        ...random.below(6) ? {} : { offset: random.of([-8, 1, 8 * random.below(60), insns.length, 2 ** 32]) },
      };
      tryAll(() => relocator.relocate(insns, [damaged], section));
    }
    const object = { btf: local, functions: [{ name: section, insns, coreRelocations: relocations }] };
    tryAll(
      () => readTypes(Btf.parse(minimalBtf(target, [object])), random),
      () => [...explainRelocations(object, { vmlinux: target })],
    );
  }
}

/** All kinds of records on all types of one random graph, against another that is alike or not. */
function relocateGraph(random: Random): void {
  const bytes = randomBtf(random, random.of([6, 20, 60])), local = Btf.parse(bytes);
  const target = random.below(2) ? Btf.parse(mutateWords(bytes, random)) : Btf.parse(randomBtf(random, 60));
  const relocator = new CoreRelocator(local, { vmlinux: target });
  for (let n = 0; n < 40; n++) {
    const accessString = ["0", ...Array.from({ length: random.below(5) }, () => random.below(4))].join(":");
    const relocation = { offset: 0, typeId: random.below(local.endId), accessString, kind: random.below(13) };
    const insn = random.of(["b701000000000000", "6111000000000000", "18010000000000000000000000000000"]);
    tryAll(() => relocator.relocate(Uint8Array.fromHex(insn), [relocation], "fuzz"));
  }
}

/** The same types, one or two of their words changed a little. */
function mutateWords(bytes: Uint8Array<ArrayBuffer>, random: Random): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice(), view = new DataView(copy.buffer), end = 24 + view.getUint32(12, true);
  for (let n = random.below(3); n > 0; n--) {
    const at = 24 + 4 * random.below((end - 24) / 4);
    const value = view.getUint32(at, true);
    if (value < 1 << 16) view.setUint32(at, Math.max(0, value + random.below(5) - 2), true);
  }
  return copy;
}

const LOG = new TextEncoder().encode(`func#0 @0
0: R1=ctx() R10=fp0
; struct ev *e = bpf_map_lookup_elem(&m, &k); @ nullptr.bpf.c:10
6: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=m,ks=4,vs=24)
from 7 to 9: R0=1 R1=ringbuf_mem(ref_obj_id=2,sz=8) R10=fp0 refs=2
mark_precise: frame0: regs=r1 stack= before 10: (bc) w1 = w0
12: R1=scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff)) R6=map_value(map=m,ks=4,vs=24)
12: (73) *(u8 *)(r6 +8) = r7
R6 unbounded memory access at insn 12, make sure to bounds check any such access
stack depth 8
processed 12 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 mark_read 0
`);

const text = (input: Uint8Array) => new TextDecoder().decode(input);
const lines = (...of: string[]) => [new TextEncoder().encode(of.join("\n") + "\n")];

/** All readers of bytes that can come from outside. */
export const TARGETS: Target[] = [
  { name: "ELF", seeds: [object, bigObject, library], read: readElf },
  {
    name: "functions and probes of a library",
    seeds: [fixture("seed_lib.so"), probes],
    read: (input) => {
      const elf = Elf.parse(input);
      tryAll(
        () => findFunctions(elf, ["versioned@V1", "near"]),
        () => matchFunctions(elf, (name) => name.length > 3),
        () => {
          for (const { address, args } of usdtSites(elf, () => true)) {
            fileOffset(elf, address, PF_X);
            for (const arch of ["x86", "arm64"] as const) parseUsdtArguments(args, arch);
          }
        },
      );
    },
  },
  {
    name: "arguments of USDT probes",
    seeds: lines(
      "-4@%esi 8@-24(%rbp) 1@8(%rax,%rbx,4) 8f@name+4(%rip) 2@$-5",
      "8@x0 -4@[sp, 12] 8@[x0, x1, lsl 3]",
    ),
    read: (input) => {
      for (const arch of ["x86", "arm64"] as const) parseUsdtArguments(text(input), arch);
    },
  },
  {
    name: "the dynamic linker's cache",
    seeds: [linkerCache],
    read: (input) => void searchLibraryCache(input, (name) => name.startsWith("lib")),
  },
  {
    name: "BTF",
    seeds: [btfBytes, bigBtfBytes, targetBytes],
    read: (input, random) => readTypes(Btf.parse(input), random),
  },
  {
    name: "split BTF",
    seeds: [targetBytes],
    read: (input, random) => readTypes(Btf.parse(input, { base: btf }), random),
  },
  {
    name: "base BTF",
    seeds: [btfBytes],
    read: (input, random) => readTypes(Btf.parse(targetBytes, { base: Btf.parse(input) }), random),
  },
  {
    name: "BTF, random graphs",
    seeds: [],
    read: (_, random) => readTypes(Btf.parse(randomBtf(random, 60)), random),
  },
  {
    name: "BTF.ext",
    seeds: [extBytes],
    read: (input) => {
      const { functions, lines } = parseBtfExt(input, btf);
      for (const list of functions.values()) for (const { typeId } of list) tryAll(() => btf.name(typeId));
      for (const list of lines.values()) {
        for (const line of list) tryAll(() => btf.string(line.fileOffset), () => btf.string(line.lineOffset));
      }
    },
  },
  {
    name: "BTF.ext of another BTF",
    seeds: [btfBytes],
    read: (input) => void parseBtfExt(extBytes, Btf.parse(input)),
  },
  {
    name: "CO-RE, local types",
    seeds: [btfBytes],
    read: (input, random, damage) => relocate(Btf.parse(input), target, random, damage),
  },
  {
    name: "CO-RE, the target's types",
    seeds: [targetBytes],
    read: (input, random, damage) => relocate(btf, Btf.parse(input), random, damage),
  },
  {
    name: "CO-RE, both",
    seeds: [btfBytes],
    read: (input, random, damage) => {
      const other = Btf.parse(damage ? mutate(input, random) : targetBytes);
      relocate(Btf.parse(input), other, random, damage);
    },
  },
  { name: "CO-RE, random graphs", seeds: [], read: (_, random) => relocateGraph(random) },
  {
    name: "CO-RE, instructions",
    seeds: [...code.values()],
    read: (input) => {
      const relocator = new CoreRelocator(btf, { vmlinux: target });
      for (const list of ext.coreRelocations.values()) {
        for (const one of list) tryAll(() => relocator.relocate(input, [one], "fuzz"));
      }
    },
  },
  { name: "object file", seeds: [object], read: (input) => void readObject(input, "fuzz") },
  {
    name: "section names",
    seeds: lines(...code.keys(), "?uprobe//bin/a:b+0x8"),
    read: (input) => void parseSection(text(input)),
  },
  {
    name: "types as C",
    seeds: [btfBytes, targetBytes],
    read: (input, random) => printTypes(Btf.parse(input), random),
  },
  {
    name: "types as C, random graphs",
    seeds: [],
    read: (_, random) => printTypes(Btf.parse(randomBtf(random, 40)), random),
  },
  {
    name: "BTF for old kernels",
    seeds: [btfBytes, bigBtfBytes],
    read: (input, random) => sanitize(Btf.parse(input), random),
  },
  {
    name: "BTF for old kernels, random graphs",
    seeds: [],
    read: (_, random) => sanitize(Btf.parse(randomBtf(random, 40)), random),
  },
  {
    name: "codecs",
    seeds: [btfBytes, targetBytes],
    read: (input, random) => convert(Btf.parse(input), random),
  },
  {
    name: "codecs, random graphs",
    seeds: [],
    read: (_, random) => convert(Btf.parse(randomBtf(random, 40)), random),
  },
  {
    name: "kernel symbols",
    seeds: lines(
      "ffffffff81000010 T one",
      "ffffffffc0000000 t two\t[mod]",
      "ffffffff82000000 D data.llvm.42",
    ),
    read: (input) => {
      const symbols = Kallsyms.parse(input);
      for (const address of [0n, 0xffffffff81000011n, 2n ** 64n - 1n]) symbols.resolve(address);
      symbols.lookup("one");
    },
  },
  {
    name: "JIT symbols",
    seeds: lines("7f0010 20 one", "7f0030 8 two words", "7f0010 4 again"),
    read: (input) => {
      const table = SymbolTable.fromPerfMap(input);
      for (const address of [0, 0x7f0011, 2 ** 60]) table.find(address);
    },
  },
  {
    name: "/proc/PID/maps",
    seeds: lines(
      "55d0a000-55d0c000 r-xp 00002000 fe:00 131 /usr/bin/a b",
      "7ffc1000-7ffc2000 rw-p 0 00:00 0 [stack]",
    ),
    read: (input) => void parseMaps(text(input)),
  },
  { name: "disassembler", seeds: [...code.values()], read: (input) => void disassemble(input) },
  {
    name: "verifier log",
    seeds: [LOG],
    read: (input, random) => {
      const errno = random.of(["EACCES", "ENOSPC", "EPERM"]);
      new VerifierError({ program: "p", errno, log: text(input), advise: verifierAdvice });
    },
  },
];
