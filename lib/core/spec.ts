/**
 * The object's side of a CO-RE relocation: the record, its access string read along the object's own BTF, and how both
 * are put in words.
 *
 * @module
 */

import {
  type Btf,
  BTF_KIND_ARRAY,
  BTF_KIND_ENUM,
  BTF_KIND_ENUM64,
  BTF_KIND_STRUCT,
  BTF_KIND_UNION,
  KIND_NAMES,
} from "../btf/btf.ts";
import { DetraceError } from "../error.ts";

/** A relocation that must not be done: the object, or the types given as target, contradict themselves or each other. */
export class CoreError extends DetraceError {
  /** `CoreError`. */
  override readonly name: string = "CoreError";
}

/** One record of the CO-RE part of `.BTF.ext` (`struct bpf_core_relo`, include/uapi/linux/bpf.h). */
export interface CoreRelocation {
  /** Bytes from the start of the instructions to the one to patch. */
  offset: number;
  /** Root type, an id in the object's BTF. */
  typeId: number;
  /** What of the root type is meant: decimal numbers with colons. */
  accessString: string;
  /** What is asked about it: one of the `BPF_CORE_*` numbers. */
  kind: number;
}

// enum bpf_core_relo_kind, include/uapi/linux/bpf.h
/** Offset of a field, bytes. */
export const BPF_CORE_FIELD_BYTE_OFFSET = 0;
/** Size of a field, bytes. */
export const BPF_CORE_FIELD_BYTE_SIZE = 1;
/** Whether the target has the field. */
export const BPF_CORE_FIELD_EXISTS = 2;
/** Whether a field is signed. */
export const BPF_CORE_FIELD_SIGNED = 3;
/** Left shift that brings a bitfield to the top of 64 bits. */
export const BPF_CORE_FIELD_LSHIFT_U64 = 4;
/** Right shift that brings it down again. */
export const BPF_CORE_FIELD_RSHIFT_U64 = 5;
/** Id of a type in the object's BTF. */
export const BPF_CORE_TYPE_ID_LOCAL = 6;
/** Id of a type in the target's BTF. */
export const BPF_CORE_TYPE_ID_TARGET = 7;
/** Whether the target has the type. */
export const BPF_CORE_TYPE_EXISTS = 8;
/** Size of the target's type, bytes. */
export const BPF_CORE_TYPE_SIZE = 9;
/** Whether the target has the enumerator. */
export const BPF_CORE_ENUMVAL_EXISTS = 10;
/** The target's value of the enumerator. */
export const BPF_CORE_ENUMVAL_VALUE = 11;
/** Whether the target's type holds all that the object's holds. */
export const BPF_CORE_TYPE_MATCHES = 12;

/** Words for each kind, by its number. */
const ASKED =
  ("byte offset,byte size,existence,signedness,left shift,right shift,local type id,target type id," +
    "existence,size,existence,value,match").split(",");

const MAX_STEPS = 64;

/** One step of a path: a member of a struct or union, or an element of an array (no name), or an enumerator. */
export interface Accessor {
  /** The struct, union or enum that has the member; or the array's element type. */
  type: number;
  /** Which member, element or enumerator. */
  index: number;
  /** Name of the member or enumerator; empty for an element. */
  name: string;
  /** Type of the member or element, without modifiers and typedefs. */
  field: number;
}

/** What an access string leads to in one BTF. */
export class Path {
  /** Where from the start of the root type, bits. */
  bits = 0;
  /** Members on the way, anonymous ones too, and elements. */
  steps = 0;
  /** The steps that have a name or are elements. */
  readonly accessors: Accessor[] = [];
  /** Every member on the way, anonymous ones too: the struct or union, and which of its members. */
  readonly members: [type: number, index: number][] = [];

  /** The types. */
  readonly btf: Btf;
  /** Id of the type that it starts at. */
  readonly root: number;

  /** A path without steps. */
  constructor(btf: Btf, root: number) {
    this.btf = btf;
    this.root = root;
  }

  /** The last step. */
  get last(): Accessor {
    return this.accessors[this.accessors.length - 1]!;
  }

  /** Counts a step. @throws {CoreError} if it is one too many. */
  step(): void {
    if (++this.steps > MAX_STEPS) throw new CoreError(`the path has more than ${MAX_STEPS} steps`);
  }

  /** Goes to member `index` of `type`, an anonymous one if it gets no name. @returns Its type, skipped. */
  member(type: number, index: number, name: string): number {
    const { btf } = this, field = btf.skip(btf.memberType(type, index));
    this.bits += btf.memberBitOffset(type, index);
    this.members.push([type, index]);
    if (name) this.accessors.push({ type, index, name, field });
    return field;
  }

  /** Goes to element `index` as if there were an array of `type`. @throws {BtfError} if the type has no size. */
  element(type: number, index: number): number {
    this.step();
    this.bits += index * this.btf.sizeOf(type) * 8;
    this.accessors.push({ type, index, name: "", field: type });
    return type;
  }

  /** Goes to element `index` of `id`, which the last step led to. @returns Its type, skipped; undefined if there is none. */
  into(id: number, index: number): number | undefined {
    const { btf, last } = this;
    if (btf.kind(id) !== BTF_KIND_ARRAY) return;
    const length = btf.arrayLength(id);
    // A flexible array, the last member of its struct, has any element.
    const flexible = !length && last.name && last.index === btf.vlen(last.type) - 1;
    if (index < length || flexible) return this.element(btf.skip(btf.arrayElement(id)), index);
  }
}

/** Whether `kind` asks about a type as a whole. */
export function isTypeKind(kind: number): boolean {
  return kind === BPF_CORE_TYPE_MATCHES || kind >= BPF_CORE_TYPE_ID_LOCAL && kind <= BPF_CORE_TYPE_SIZE;
}

/** Whether `kind` asks about an enumerator. */
export function isEnumeratorKind(kind: number): boolean {
  return kind === BPF_CORE_ENUMVAL_EXISTS || kind === BPF_CORE_ENUMVAL_VALUE;
}

/** The type's kind, where it does not matter how wide an enum is. */
export function kindOf(btf: Btf, id: number): number {
  const kind = btf.kind(id);
  return kind === BTF_KIND_ENUM64 ? BTF_KIND_ENUM : kind;
}

/** Whether the type is a struct or union. */
export function isComposite(btf: Btf, id: number): boolean {
  const kind = btf.kind(id);
  return kind === BTF_KIND_STRUCT || kind === BTF_KIND_UNION;
}

/**
 * Follows a record's access string along the object's own types.
 *
 * @param btf The object's BTF.
 * @param relocation The record.
 * @returns Where it leads; for a relocation of a type, nowhere.
 * @throws {CoreError} or {BtfError} if it names nothing.
 */
export function parseLocal(btf: Btf, { accessString, kind, typeId }: CoreRelocation): Path {
  if (!ASKED[kind]) throw new CoreError("nobody knows that kind");
  const path = new Path(btf, typeId), numbers = accessString.split(":").map((text) => Number(text) | 0);
  const first = numbers[0]!;
  if (
    numbers.join(":") !== accessString || numbers.some((n) => n < 0) ||
    isTypeKind(kind) && accessString !== "0"
  ) {
    throw new CoreError("the access string is malformed");
  }
  let id = btf.skip(typeId);
  if (isTypeKind(kind)) return path;
  if (isEnumeratorKind(kind)) {
    if (kindOf(btf, id) !== BTF_KIND_ENUM || numbers.length > 1) throw new CoreError("that is no enumerator");
    path.accessors.push({ type: id, index: first, name: btf.enumName(id, first), field: id });
    return path;
  }
  path.element(id, first);
  for (let i = 1; i < numbers.length; i++) {
    const index = numbers[i]!, within = id;
    if (isComposite(btf, id)) {
      path.step();
      id = path.member(id, index, btf.memberName(id, index));
    } else {
      id = path.into(id, index) ?? -1;
      if (id < 0) throw new CoreError(`${typeWords(btf, within)} has no element ${index}`);
    }
  }
  return path;
}

/** A type in words, for messages: `struct task_struct`, `ptr`, `int pid_t`. Broken ones too. */
export function typeWords(btf: Btf, id: number): string {
  try {
    const name = btf.name(id);
    return KIND_NAMES[btf.kind(id)] + (name && " " + name);
  } catch {
    return `type ${id}`;
  }
}

/** A relocation in words: `byte offset of struct task_struct.comm[3]`. `path`: if its access string could be followed. */
export function relocationWords(btf: Btf, relocation: CoreRelocation, path: Path | undefined): string {
  const { accessString, kind, typeId } = relocation;
  const words = `${ASKED[kind] ?? "answer " + kind} of ${typeWords(btf, typeId)}`;
  if (!path) return `${words} (access string ${JSON.stringify(accessString.slice(0, 80))})`;
  return words + accessWords(path, kind);
}

/** What a path leads to, behind the words for its root type: `.comm[3]`, `::PIDTYPE_PID`. */
export function accessWords({ accessors }: Path, kind: number): string {
  return accessors.map(({ index, name }, i) => {
    if (isEnumeratorKind(kind)) return "::" + name;
    return name ? "." + name : i || index ? `[${index}]` : "";
  }).join("");
}
