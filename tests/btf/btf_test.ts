import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  Btf,
  BTF_KIND_ENUM,
  BTF_KIND_FUNC,
  BTF_KIND_INT,
  BTF_KIND_PTR,
  BTF_KIND_STRUCT,
  BTF_KIND_TYPEDEF,
  BtfError,
  essentialName,
} from "../../lib/btf/btf.ts";
import { decodeType } from "../../lib/btf/decode.ts";
import { BtfBuilder } from "../../lib/btf/build.ts";

/** A BTF of one type of every kind, and the ids by kind. */
function everyKind(): { builder: BtfBuilder; ids: Record<string, number> } {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4, { signed: true });
  const ptr = builder.addPtr(int);
  const array = builder.addArray(ptr, int, 3);
  const struct = builder.addStruct("point", 12, [
    { name: "x", type: int, bitOffset: 0 },
    { name: "flag", type: int, bitOffset: 32, bitfieldSize: 3 },
    { name: "mode", type: int, bitOffset: 35, bitfieldSize: 29 },
    { name: "y", type: int, bitOffset: 64 },
  ]);
  const union = builder.addUnion("either", 24, [
    { name: "", type: struct, bitOffset: 0 },
    { name: "list", type: array, bitOffset: 0 },
  ]);
  const enum_ = builder.addEnum("color", 4, [{ name: "RED", value: -1 }, { name: "BLUE", value: 7 }], true);
  const fwd = builder.addFwd("hidden", true);
  const typedef = builder.addTypedef("either_t", union);
  const volatile = builder.addVolatile(typedef);
  const const_ = builder.addConst(volatile);
  const restrict = builder.addRestrict(const_);
  const funcProto = builder.addFuncProto(int, [{ name: "where", type: ptr }, { name: "", type: 0 }]);
  const func = builder.addFunc("look", funcProto, 1);
  const var_ = builder.addVar("counter", int, 1);
  const datasec = builder.addDatasec(".bss", 4, [{ type: var_, offset: 0, size: 4 }]);
  const float = builder.addFloat("double", 8);
  const declTag = builder.addDeclTag("guarded", struct, 3);
  const typeTag = builder.addTypeTag("rcu", restrict);
  const enum64 = builder.addEnum64("wide", 8, [
    { name: "LOW", value: -2n },
    { name: "HIGH", value: 0x7fffffffffffffffn },
  ], true);
  const ids = {
    int,
    ptr,
    array,
    struct,
    union,
    enum: enum_,
    fwd,
    typedef,
    volatile,
    const: const_,
    restrict,
  };
  return {
    builder,
    ids: { ...ids, func, funcProto, var: var_, datasec, float, declTag, typeTag, enum64 },
  };
}

/** Raw BTF of words and text: for what a builder would not write. */
function raw(words: number[], strings = "\0", header: { length?: number; more?: number[] } = {}): Uint8Array {
  const length = header.length ?? 24, types = 4 * words.length;
  const bytes = new Uint8Array(length + types + strings.length), view = new DataView(bytes.buffer);
  [0x0001eb9f, length, 0, types, types, strings.length, ...header.more ?? []].forEach((word, i) =>
    view.setUint32(4 * i, word, true)
  );
  words.forEach((word, i) => view.setUint32(length + 4 * i, word, true));
  bytes.set(new TextEncoder().encode(strings), length + types);
  return bytes;
}

for (const order of ["little", "big"]) {
  Deno.test(`every kind is decoded, in ${order}-endian order`, () => {
    const { builder, ids } = everyKind();
    const btf = Btf.parse(builder.build(order === "little"));
    assertEquals(btf.littleEndian, order === "little");
    assertEquals(btf.endId, 20);
    const type = (kind: string) => {
      const { id: _, ...rest } = decodeType(btf, ids[kind]!);
      return rest;
    };
    assertEquals(type("int") as unknown, {
      kind: "int",
      name: "int",
      size: 4,
      bits: 32,
      bitOffset: 0,
      signed: true,
      char: false,
      bool: false,
    });
    assertEquals(type("ptr"), { kind: "ptr", name: "", type: ids.int! });
    assertEquals(type("array"), { kind: "array", name: "", element: ids.ptr!, index: ids.int!, length: 3 });
    assertEquals(type("struct"), {
      kind: "struct",
      name: "point",
      size: 12,
      members: [
        { name: "x", type: ids.int!, bitOffset: 0, bitfieldSize: 0 },
        { name: "flag", type: ids.int!, bitOffset: 32, bitfieldSize: 3 },
        { name: "mode", type: ids.int!, bitOffset: 35, bitfieldSize: 29 },
        { name: "y", type: ids.int!, bitOffset: 64, bitfieldSize: 0 },
      ],
    });
    assertEquals(type("union"), {
      kind: "union",
      name: "either",
      size: 24,
      members: [
        { name: "", type: ids.struct!, bitOffset: 0, bitfieldSize: 0 },
        { name: "list", type: ids.array!, bitOffset: 0, bitfieldSize: 0 },
      ],
    });
    assertEquals(type("enum"), {
      kind: "enum",
      name: "color",
      size: 4,
      signed: true,
      values: [{ name: "RED", value: -1n }, { name: "BLUE", value: 7n }],
    });
    assertEquals(type("fwd"), { kind: "fwd", name: "hidden", union: true });
    assertEquals(type("typedef"), { kind: "typedef", name: "either_t", type: ids.union! });
    assertEquals(type("volatile"), { kind: "volatile", name: "", type: ids.typedef! });
    assertEquals(type("const"), { kind: "const", name: "", type: ids.volatile! });
    assertEquals(type("restrict"), { kind: "restrict", name: "", type: ids.const! });
    assertEquals(type("func"), { kind: "func", name: "look", type: ids.funcProto!, linkage: 1 });
    assertEquals(type("funcProto"), {
      kind: "func_proto",
      name: "",
      returns: ids.int!,
      params: [{ name: "where", type: ids.ptr! }, { name: "", type: 0 }],
    });
    assertEquals(type("var"), { kind: "var", name: "counter", type: ids.int!, linkage: 1 });
    assertEquals(type("datasec"), {
      kind: "datasec",
      name: ".bss",
      size: 4,
      variables: [{ type: ids.var!, offset: 0, size: 4 }],
    });
    assertEquals(type("float"), { kind: "float", name: "double", size: 8 });
    assertEquals(type("declTag"), { kind: "decl_tag", name: "guarded", type: ids.struct!, component: 3 });
    assertEquals(type("typeTag"), { kind: "type_tag", name: "rcu", type: ids.restrict! });
    assertEquals(type("enum64"), {
      kind: "enum64",
      name: "wide",
      size: 8,
      signed: true,
      values: [{ name: "LOW", value: -2n }, { name: "HIGH", value: 0x7fffffffffffffffn }],
    });
    assertEquals(decodeType(btf, 0), { kind: "void", id: 0, name: "" });
  });
}

Deno.test("bytes that are not aligned to four are read like others", () => {
  const bytes = everyKind().builder.build(), shifted = new Uint8Array(bytes.length + 3).subarray(3);
  shifted.set(bytes);
  assertEquals(decodeType(Btf.parse(shifted), 4), decodeType(Btf.parse(bytes), 4));
});

Deno.test("modifiers and typedefs are skipped, modifiers alone if asked", () => {
  const { builder, ids } = everyKind();
  const btf = Btf.parse(builder.build());
  assertEquals(btf.skip(ids.typeTag!), ids.union);
  assertEquals(btf.skipModifiers(ids.typeTag!), ids.typedef);
  assertEquals(btf.skip(0), 0);
});

Deno.test("sizes follow typedefs, modifiers, arrays and variables", () => {
  const { builder, ids } = everyKind();
  const btf = Btf.parse(builder.build());
  const sizes: Record<string, number> = {
    int: 4,
    ptr: 8,
    array: 24,
    struct: 12,
    typeTag: 24,
    var: 4,
    float: 8,
    datasec: 4,
  };
  for (const kind in sizes) assertEquals(btf.sizeOf(ids[kind]!), sizes[kind]);
  for (const kind of ["func", "funcProto", "fwd", "declTag"]) {
    assertThrows(() => btf.sizeOf(ids[kind]!), BtfError, "has no size");
  }
  assertThrows(() => btf.sizeOf(0), BtfError, "type 0 (void) has no size");
});

Deno.test("pointers are as long as long is, in any spelling, or as told", () => {
  const of = (name: string, size: number, options = {}) => {
    const builder = new BtfBuilder();
    builder.addInt("long long", 8);
    builder.addInt(name, size);
    return Btf.parse(builder.build(), options).pointerSize;
  };
  for (const name of ["long", "long int", "unsigned long", "long unsigned int", "int long unsigned"]) {
    assertEquals([name, of(name, 4), of(name, 8)], [name, 4, 8]);
  }
  assertEquals(of("short", 2), 8);
  assertEquals(of("long", 8, { pointerSize: 4 }), 4);
});

Deno.test("a flavor is what follows the last three underscores between other characters", () => {
  const names = {
    task_struct: "task_struct",
    task_struct___v2: "task_struct",
    a___b___c: "a___b",
    a____b: "a____b",
    a__b: "a__b",
    ___b: "___b",
    a___: "a___",
  };
  for (const [name, essential] of Object.entries(names)) assertEquals(essentialName(name), essential);
});

Deno.test("find gives the lowest id of exactly that name and kind", () => {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4);
  const proto = builder.addFuncProto(0, []);
  const func = builder.addFunc("file", proto);
  const first = builder.addStruct("file", 4, []);
  builder.addStruct("file", 8, []);
  builder.addStruct("files", 4, []);
  builder.addStruct("fil", 4, []);
  const cafe = builder.addTypedef("café_t", int);
  const last = builder.addTypedef("z", int);
  const btf = Btf.parse(builder.build());
  assertEquals(btf.find("file"), func);
  assertEquals(btf.find("file", BTF_KIND_STRUCT), first);
  assertEquals(btf.find("file", BTF_KIND_ENUM, BTF_KIND_STRUCT), first);
  assertEquals(btf.find("file", BTF_KIND_FUNC), func);
  assertEquals(btf.find("file", BTF_KIND_ENUM), undefined);
  assertEquals(btf.find("ile"), undefined);
  assertEquals(btf.find("café_t"), cafe);
  assertEquals(btf.find("z", BTF_KIND_TYPEDEF), last);
  assertEquals(btf.findAll(["z", "nothing", "int"]), new Map([["int", int], ["z", last]]));
});

Deno.test("findEssential finds all flavors of many names at once", () => {
  const builder = new BtfBuilder();
  const ids = new Map<string, number[]>();
  // More names than fit into one set of bits, that share their first letters.
  const names = Array.from({ length: 70 }, (_, i) => `trace_event_raw_${i}`);
  for (const name of names) ids.set(name, [builder.addStruct(name, 0, [])]);
  for (const name of names) ids.get(name)!.push(builder.addStruct(name + "___old", 0, []));
  for (const name of names) builder.addStruct(name + "_other", 0, []);
  builder.addFunc("trace_event_raw_1", builder.addFuncProto(0, []));
  const btf = Btf.parse(builder.build());
  assertEquals(btf.findEssential(new Set(names)), ids);
  assertEquals(btf.findEssential(new Set(["nothing"])), new Map());
});

Deno.test("every name is found in a small BTF, whatever its length and place", () => {
  for (let length = 1; length < 24; length++) {
    const builder = new BtfBuilder();
    const ids = Array.from(
      { length: 5 },
      (_, i) => builder.addStruct(String.fromCharCode(97 + i).repeat(length), 0, []),
    );
    const btf = Btf.parse(builder.build());
    ids.forEach((id) => assertEquals(btf.find(btf.name(id), BTF_KIND_STRUCT), id));
    assertEquals(btf.findEssential(new Set([btf.name(ids[4]!)])).size, 1);
  }
});

Deno.test("stringIs compares a whole string", () => {
  const { builder, ids } = everyKind();
  const btf = Btf.parse(builder.build()), offset = btf.nameOffset(ids.struct!);
  const is = (text: string) => btf.stringIs(offset, new TextEncoder().encode(text));
  assertEquals([is("point"), is("poin"), is("points"), is("")], [true, false, false, false]);
});

Deno.test("split BTF continues the ids and strings of its base", () => {
  const { builder, ids } = everyKind();
  const base = Btf.parse(builder.build());
  const split = new BtfBuilder(base);
  const long = split.addInt("long", 4);
  const module = split.addStruct("module_state", 12, [{ name: "own", type: ids.struct!, bitOffset: 0 }]);
  const point = split.addStruct("point", 4, []);
  const btf = Btf.parse(split.build(), { base });
  assertEquals([btf.firstId, btf.endId], [20, 23]);
  assertEquals(btf.name(module), "module_state");
  assertEquals(btf.memberName(module, 0), "own");
  assertEquals(btf.name(btf.memberType(module, 0)), "point");
  assertEquals(btf.sizeOf(ids.array!), 24);
  assertEquals(btf.find("point"), ids.struct);
  assertEquals(btf.find("module_state", BTF_KIND_STRUCT), module);
  assertEquals(btf.findEssential(new Set(["point", "color"])), new Map([["point", [point]]]));
  assertEquals(Btf.parse(split.build(), { base, pointerSize: 4 }).pointerSize, 4);
  assertEquals(btf.kind(long), BTF_KIND_INT);
  assertEquals(btf.offsetOf(long), 24);
  assertThrows(() => btf.offsetOf(3), BtfError, "no type 3 of its own");
  assertThrows(() => base.kind(20), BtfError, "no type 20");
});

Deno.test("names of a split BTF that stand in its base are found too", () => {
  const base = Btf.parse(everyKind().builder.build());
  // struct point again, its name at its place in the base's strings
  const own = raw([base.nameOffset(base.find("point")!), 4 << 24, 0], "");
  const btf = Btf.parse(own, { base });
  assertEquals(btf.findEssential(new Set(["point"])), new Map([["point", [20]]]));
});

Deno.test("a header with a layout section is read, and so are kinds that it describes", () => {
  const layout = [0, 4, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const kinds = [...layout, 4 | 8 << 8]; // kind 20: 4 bytes, and 8 for each of vlen
  const words = [1, 20 << 24 | 2, 0, 77, 1, 2, 3, 4, 5, 1 << 24, 4, 32, ...kinds];
  const bytes = raw(words, "\0new\0int\0", { length: 32, more: [48, 84] });
  new DataView(bytes.buffer).setUint32(12, 48, true); // the types end before the layout
  const btf = Btf.parse(bytes);
  assertEquals(btf.endId, 3);
  assertEquals(btf.kind(1), 20);
  assertEquals(btf.find("int", BTF_KIND_INT), 2);
  assertThrows(() => decodeType(btf, 1), BtfError, "is of kind 20, which is unknown to us");
  assertThrows(() => btf.sizeOf(1), BtfError, "has no size");
  assertEquals(btf.skip(1), 1);
});

Deno.test("damaged BTF is refused with a sentence that says what is wrong", () => {
  const good = () => raw([1, 1 << 24, 4, 32], "\0int\0");
  const refuse = (change: (view: DataView, bytes: Uint8Array) => Uint8Array | void, sentence: string) => {
    const bytes = good(), changed = change(new DataView(bytes.buffer), bytes) ?? bytes;
    const error = assertThrows(() => Btf.parse(changed, { name: "kernel BTF" }), BtfError);
    assertEquals(error.message, `kernel BTF ${sentence}`);
  };
  assertEquals(Btf.parse(good()).name(1), "int");
  refuse((_, bytes) => bytes.subarray(0, 23), "is damaged: 23 bytes are too few for a header");
  refuse((view) => view.setUint16(0, 0x1234), "is damaged: it does not start with BTF's magic number");
  refuse((view) => view.setUint8(2, 9), "has version 9, known is only 1");
  refuse((view) => view.setUint32(4, 20, true), "is damaged: its header is 20 bytes long");
  refuse((view) => view.setUint32(4, 1000, true), "is damaged: its header is 1000 bytes long");
  refuse((view) => view.setUint32(8, 2, true), "is damaged: the types section is not aligned");
  refuse((view) => view.setUint32(12, 15, true), "is damaged: the types section is not aligned");
  refuse((view) => view.setUint32(12, 0xfffffffc, true), "is damaged: the types section runs past the end");
  refuse((view) => view.setUint32(16, 0xffffffff, true), "is damaged: the strings section runs past the end");
  refuse((view) => view.setUint32(16, 12, true), "is damaged: types and strings overlap");
  refuse(
    (view) => view.setUint32(20, 4, true),
    "is damaged: the strings section must start and end with a zero byte",
  );
  refuse(
    (view) => view.setUint32(20, 0, true),
    "is damaged: the strings section must start and end with a zero byte",
  );
  refuse(
    (view) => view.setUint32(28, 4 << 24 | 9, true),
    "is damaged: its last type runs past the end of the types section",
  );
  refuse((view) => view.setUint32(28, 23 << 24, true), "has a type of kind 23, which is unknown to us");
  refuse((view) => view.setUint32(28, 0, true), "has a type of kind 0, which is unknown to us");
  // A header of a kernel to come, whose further fields mean nothing to us.
  assertEquals(Btf.parse(raw([], "\0", { length: 36, more: [0, 0, 5] })).endId, 1);
});

Deno.test("ids, parts and strings that do not exist are refused when they are asked for", () => {
  const { builder, ids } = everyKind();
  const btf = Btf.parse(builder.build(), { name: "test.o's BTF" });
  for (const id of [20, -1, NaN, 1e10]) {
    assertThrows(() => btf.kind(id), BtfError, `test.o's BTF has no type ${id}`);
  }
  assertThrows(() => btf.string(1e6), BtfError, "no string at offset 1000000");
  assertThrows(() => btf.memberType(ids.struct!, 4), BtfError, "type 4 (struct) has no such part 4");
  assertThrows(() => btf.memberType(ids.struct!, -1), BtfError, "has no such part");
  assertThrows(() => btf.memberType(ids.ptr!, 0), BtfError, "type 2 (ptr) has no such part 0");
  assertThrows(() => btf.arrayLength(ids.int!), BtfError);
  assertThrows(() => btf.enumValue(ids.struct!, 0), BtfError);
});

Deno.test("types that refer to themselves are refused, not followed for ever", () => {
  // typedef, const and array, each of itself
  const btf = Btf.parse(
    raw([1, 8 << 24, 1, 0, 10 << 24, 2, 0, 3 << 24, 0, 3, 3, 2, 0, 2 << 24, 99], "\0t\0"),
  );
  assertThrows(() => btf.skip(1), BtfError, "refers to itself");
  assertThrows(() => btf.skipModifiers(2), BtfError, "refers to itself");
  for (const id of [1, 2, 3]) assertThrows(() => btf.sizeOf(id), BtfError, "has no size");
  assertEquals(btf.sizeOrType(4), 99); // checked only when it is followed
  assertThrows(() => btf.kind(btf.sizeOrType(4)), BtfError, "has no type 99");
});

Deno.test("the kernel's BTF is read and searched (needs /sys/kernel/btf/vmlinux)", {
  ignore: (() => {
    try {
      return !Deno.statSync("/sys/kernel/btf/vmlinux").isFile;
    } catch {
      return true;
    }
  })(),
}, () => {
  const btf = Btf.parse(Deno.readFileSync("/sys/kernel/btf/vmlinux"), { name: "kernel BTF" });
  assert(btf.endId > 10000);
  const task = btf.find("task_struct", BTF_KIND_STRUCT)!;
  assertEquals(btf.name(task), "task_struct");
  assertEquals(btf.sizeOf(task), btf.sizeOrType(task));
  assertEquals(btf.findEssential(new Set(["task_struct"])).get("task_struct"), [task]);
  assertEquals(btf.pointerSize, 8);
  // Every 500th name, looked up in all ways.
  const lowest = new Map<string, number>();
  for (let id = 1; id < btf.endId; id++) {
    const name = btf.name(id);
    if (!lowest.has(name)) lowest.set(name, id);
  }
  const wanted: string[] = [];
  for (let id = 1; id < btf.endId; id += 500) if (btf.name(id)) wanted.push(btf.name(id));
  const found = btf.findAll(wanted);
  for (const name of wanted) assertEquals(found.get(name), lowest.get(name));
  assertEquals(btf.find(wanted[0]!), lowest.get(wanted[0]!));
  assertEquals(btf.kind(btf.find("vfs_read", BTF_KIND_FUNC)!), BTF_KIND_FUNC);
  assertEquals(btf.find("vfs_read", BTF_KIND_PTR), undefined);
});
