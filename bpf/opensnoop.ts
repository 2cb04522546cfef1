// Generated from bpf/opensnoop.bpf.c by `deno task bpf`: edit that, not this.
import { type Events, RecordView, Skeleton } from "../lib/object/skeleton.ts";
import type { BpfObject } from "../lib/object/object.ts";
import { tracepoint } from "../lib/links/tracepoint.ts";

/** `struct event`, read in place. */
export class Event extends RecordView {
  /** `callers`. */
  get callers(): bigint[] {
    return [this.u64(0), this.u64(8)];
  }

  /** `pid`. */
  get pid(): number {
    return this.u32[(this.at + 16) >> 2]!;
  }

  /** `tid`. */
  get tid(): number {
    return this.u32[(this.at + 20) >> 2]!;
  }

  /** `uid`. */
  get uid(): number {
    return this.u32[(this.at + 24) >> 2]!;
  }

  /** `ret`. */
  get ret(): number {
    return this.i32[(this.at + 28) >> 2]!;
  }

  /** `flags`. */
  get flags(): number {
    return this.u32[(this.at + 32) >> 2]!;
  }

  /** `mode`. */
  get mode(): number {
    return this.u32[(this.at + 36) >> 2]!;
  }

  /** `directory`. */
  get directory(): number {
    return this.u32[(this.at + 40) >> 2]!;
  }

  /** `cut`. */
  get cut(): number {
    return this.u32[(this.at + 44) >> 2]!;
  }

  /** `end`. */
  get end(): number {
    return this.u32[(this.at + 48) >> 2]!;
  }

  /** `unused`. */
  get unused(): number {
    return this.u32[(this.at + 52) >> 2]!;
  }

  /** `comm` as text. */
  get comm(): string {
    return this.string(56, 16);
  }

  /** Where `comm` begins in {@link bytes}. */
  get commStart(): number {
    return this.at + 56;
  }

  /** One past `comm` in {@link bytes}; a NUL before it ends the text. */
  get commEnd(): number {
    return this.at + Math.min(72, this.length);
  }

  /** `path` as text. */
  get path(): string {
    return this.string(72, 8448);
  }

  /** Where `path` begins in {@link bytes}. */
  get pathStart(): number {
    return this.at + 72;
  }

  /** One past `path` in {@link bytes}; a NUL before it ends the text. */
  get pathEnd(): number {
    return this.at + Math.min(8520, this.length);
  }

  /** A copy of all fields. */
  override toObject(): {
    callers: bigint[];
    pid: number;
    tid: number;
    uid: number;
    ret: number;
    flags: number;
    mode: number;
    directory: number;
    cut: number;
    end: number;
    unused: number;
    comm: string;
    path: string;
  } {
    return {
      callers: this.callers,
      pid: this.pid,
      tid: this.tid,
      uid: this.uid,
      ret: this.ret,
      flags: this.flags,
      mode: this.mode,
      directory: this.directory,
      cut: this.cut,
      end: this.end,
      unused: this.unused,
      comm: this.comm,
      path: this.path,
    };
  }
}

/** The global variables of `opensnoop`. Constants (`.rodata`) are set before loading. */
export class OpensnoopGlobals {
  /** Internal: the variables of an object. */
  constructor(private readonly object: BpfObject) {}

  /** `target_pid` in `.rodata`. */
  get targetPid(): number {
    return this.object.data(".rodata").getUint32(0, true);
  }
  set targetPid(value: number) {
    this.object.data(".rodata").setUint32(0, value, true);
  }

  /** `target_tid` in `.rodata`. */
  get targetTid(): number {
    return this.object.data(".rodata").getUint32(4, true);
  }
  set targetTid(value: number) {
    this.object.data(".rodata").setUint32(4, value, true);
  }

  /** `target_uid` in `.rodata`. */
  get targetUid(): number {
    return this.object.data(".rodata").getUint32(8, true);
  }
  set targetUid(value: number) {
    this.object.data(".rodata").setUint32(8, value, true);
  }

  /** `failed_only` in `.rodata`. */
  get failedOnly(): boolean {
    return this.object.data(".rodata").getUint8(12) !== 0;
  }
  set failedOnly(value: boolean) {
    this.object.data(".rodata").setUint8(12, Number(value));
  }

  /** `want_callers` in `.rodata`. */
  get wantCallers(): boolean {
    return this.object.data(".rodata").getUint8(13) !== 0;
  }
  set wantCallers(value: boolean) {
    this.object.data(".rodata").setUint8(13, Number(value));
  }

  /** `want_directory` in `.rodata`. */
  get wantDirectory(): boolean {
    return this.object.data(".rodata").getUint8(14) !== 0;
  }
  set wantDirectory(value: boolean) {
    this.object.data(".rodata").setUint8(14, Number(value));
  }

  /** `lost` in `.bss`. */
  get lost(): bigint {
    return this.object.data(".bss").getBigUint64(0, true);
  }
  set lost(value: bigint) {
    this.object.data(".bss").setBigUint64(0, value, true);
  }
}

/** The object `bpf/opensnoop.bpf.c`. Programs: enter_open, enter_openat, enter_openat2, relocated_enter_open, relocated_enter_openat, relocated_enter_openat2, leave_any, relocated_leave_any. */
export class Opensnoop extends Skeleton<
  "calls" | "events" | "scratch" | ".rodata" | ".bss",
  | "enter_open"
  | "enter_openat"
  | "enter_openat2"
  | "relocated_enter_open"
  | "relocated_enter_openat"
  | "relocated_enter_openat2"
  | "leave_any"
  | "relocated_leave_any"
> {
  /** Its global variables. */
  readonly globals: OpensnoopGlobals = new OpensnoopGlobals(this);
  /** The records of ring buffer `events`. */
  readonly events: Events<Event> = this.records("events", new Event());

  /** Reads the object that this file holds. */
  constructor() {
    super(SPEC, OBJECT, { ways: { "tracepoint": tracepoint } });
  }
}

// deno-fmt-ignore
const SPEC = '{"size":14500,"name":"opensnoop","license":"GPL","version":0,"programs":[[["enter_open",41,0,56,80,[[4,2,"enter"]],[]],5,"tracepoint","syscalls/sys_enter_open",1],[["enter_openat",45,136,56,96,[[4,2,"enter"]],[]],5,"tracepoint","syscalls/sys_enter_openat",1],[["enter_openat2",47,288,48,80,[[3,2,"enter_how"]],[]],5,"tracepoint","syscalls/sys_enter_openat2",1],[["relocated_enter_open",57,416,56,80,[[4,2,"enter"]],[[0,53,"0:2:0"],[8,53,"0:2:1"],[16,53,"0:2:2"]]],5,"tracepoint","syscalls/sys_enter_open",0],[["relocated_enter_openat",59,552,64,96,[[5,2,"enter"]],[[0,53,"0:2:1"],[8,53,"0:2:0"],[16,53,"0:2:2"],[24,53,"0:2:3"]]],5,"tracepoint","syscalls/sys_enter_openat",0],[["relocated_enter_openat2",61,712,48,80,[[3,2,"enter_how"]],[[0,53,"0:2:2"],[8,53,"0:2:1"],[16,53,"0:2:0"]]],5,"tracepoint","syscalls/sys_enter_openat2",0],[["leave_any",65,840,752,768,[[8,0,"calls"],[13,1,".rodata",12],[21,0,"scratch"],[45,1,".rodata",13],[77,0,"events"],[84,1,".bss",0],[89,0,"calls"]],[]],5,"tracepoint","",1],[["relocated_leave_any",69,2360,2424,1632,[[2,1,".rodata",14],[11,0,"calls"],[16,1,".rodata",12],[24,0,"scratch"],[51,1,".rodata",13],[287,0,"events"],[293,1,".bss",0],[298,0,"calls"]],[[8,67,"0:2"],[728,70,"0:0"],[784,73,"0:1:0"],[888,73,"0:1:1"],[976,70,"0:1"],[1040,77,"0:0"],[1088,79,"0:1"],[1232,77,"0:0"],[1272,79,"0:0"],[1416,82,"0:0:0"],[1472,82,"0:0:1"],[1568,83,"0:0"],[1592,84,"0:2"],[1728,86,"0:0"],[1824,84,"0:0"],[1952,86,"0:1:0"],[2104,84,"0:1"],[2168,84,"0:2:0"]]],5,"tracepoint","",0]],"functions":[["enter",43,6416,360,368,[[11,1,".rodata",0],[18,1,".rodata",4],[24,1,".rodata",8],[35,0,"calls"],[41,1,".bss",0]],[]],["enter_how",51,7144,128,112,[[14,2,"enter"]],[]]],"maps":[{"keySize":4,"valueSize":24,"maxEntries":10240,"keyTypeId":8,"valueTypeId":11,"name":"calls","type":1},{"maxEntries":4194304,"name":"events","type":27},{"keySize":4,"valueSize":8520,"maxEntries":1,"keyTypeId":8,"valueTypeId":27,"name":"scratch","type":6},{"keySize":4,"valueSize":15,"maxEntries":1,"flags":1152,"valueTypeId":109,"name":".rodata","type":2,"data":[7384,15]},{"keySize":4,"valueSize":8,"maxEntries":1,"flags":1024,"valueTypeId":107,"name":".bss","type":2,"data":[7400,8]}],"globals":[["target_pid",".rodata",0,4,92],["target_tid",".rodata",4,4,92],["target_uid",".rodata",8,4,92],["failed_only",".rodata",12,1,97],["want_callers",".rodata",13,1,97],["want_directory",".rodata",14,1,97],["lost",".bss",0,8,28]],"externs":[],"btf":[7408,7092]}';
// deno-fmt-ignore
const OBJECT = "QHkSEAABADJ5FCAIACETGAgA8gO0AQAAnP///4UQAAD/////tAABACaVAAEA1z4BAABQAQAAJ8QBAAEQAFdDxAEAAhAAVzXEAQADEABXCcQBAAUQAHMCxAEAeRIYiAATKIgAA5AAEhGgAA+IAA1m0AMAACvciAAAEAAmR9yIAAAQACY53IgAABAAVw/cAQAEEAAmCdyYAAAQADYC3AGIAASgAAeQABAsKAEPkAAEZlkEAABL9JAAABAAJi/0kAAAEAAmE/SQAAAQACYJ9JAAABAAIAL0GAEZEJgBBKgBD6ABGikQAqABOTUQAqABOkMQAqABKhACoAEmEAIAASoVEKABA7ABP7xRAKgBFykoAqgBOg8oAqgBKSgCqAE6RygCqAFIKAIABqgBLygCqAErKkACqAEqQAKoASpAAqgBKkACqAFSQAIAvxdUACN5eXgAtAAAAA4AAABjCvz/sAEAAQAxYxr4EAAiv6IQALkHAgAA/P///xgBAAEAAEAAABMAIr8IEAAxFQhPCAAMKAAicREIADHFCQIIACJUATgATFYBRABoAB/4aAAIMhUAPjAAEgYYAEh7Ctj/yABAdwAAAGIBImMG4AAiYaHYADVjFhRIABAPEAAilhzoABIGiAEyYYEMEAAjFiAQABMQEAARJAgAI7cJcAATlvgDEqF4AFAHAQAAODgBQwIAABBgAB8QAAEIMVYBDcgAMXua8EAAM3ua6AgAHeBwAWLg////v3EQAEC0AwAAqgAitwQJAQBoABFDiAADQAATFtgBE6FYABIWkQE9eYMAsAAQSGgAAwgCALgAALEAAFAAEHKgARIADARmxQADAAEQEAITczAAE7eIATJjBjAoARJjCACiJgMLAAAhAAAEA2AADAABI79iQAAWBNABEYLQAQIRABO3EAIqGAI4AE/bEgAAiAIVHwNAAwgQszACJSAEQAN12wYAABkoBEADdQAHAAAOUANAAwAQADUIUANgBAAQAFMqUAMACBAAkzgHAAAbVAMADBAAk3UHAAAGZAMADRAAEIEQACFsA2wCBBAAUxJsAwAVEAAQnyAAIXQD1AEAEAAQyhAAQ3gDABsQAJfTBwAAC4QDABwQAFcmhAMAHRAAUwmEAwAeEAAQ/zAAR4gDAB8QADEJiAMMAwAQAHAOCAAAC4wDowEBEACXMwgAAAmQAwAiIABTCYwDACMQAJdCCAAAE5QDACQQAFMLlAMAJRAAl1sIAAASmAMAJhAAUwqYAwAoEACTcggAAA+cAwAqEACXhQgAABqkAwArEABTAqQDAC0QAJu2CAAABqgDADAQABMxEAAQy6AAQ6wDADYQAJPiCAAAA7QDADoQAJcgCQAAE7gDADsQAFMRuAMAPBAAEDwgAEe8AwA9EAAxEbwDTgQAEACXWAkAADjEAwBAEABXIcQDAEIQAFMGxAMARBAAlJYJAAANyAMAR7AAgwkAAA7MAwBJEACTyAkAAAnYAwBKEACT1QkAAAjkAwBLEAAQ+FAAQ+gDAEwQAJcUCgAATPADAE0QAFsG8AMAUhAAE1QQAJN6AwAAA/QDAFkQAJdqCgAAAvwDAFzgAmMCKAQAvxkABC+WEJgFAysXAAgGG/AIBh3smAQf8AgGEi8dAQgGChwGCAYsEgFoAB/sCAYKEQwaADJjerjwBCEKyAgAP3mnyBAGAxQHEAYC4AArYxcQBhNnEAYbBxAGGxcQBhMXEAYEgAYiesCAABNnGAYDgAAEuAUPIAYfEg4gBhJqEAYze2rYCAAd0IgBENAgBh+RIAYNAkAAI3miqAAUEhAGA2AAGhIoBiMHByAGH3EgBis5e3rIeAAjYwIwBhKhsAEzFgHIiAACKAAEAAFQFgHFAC8oACWHCKABAJQEE7+ABzFWBx9QChO3eAATD+ACJr+hcAEAQAgAuAAAQgAmv5M4AhNxaAYAgAEieaPgCC4PE0AAF9BAAAQ4ACN5p4ABD2gAGB8YaAAhKanQOAExFQmjMAARBVoEAlgAGAj4ABOoUAASCJAAJr+BuAEPmAAFHwCYAAELOAAIMAAfCMgAIRKmyAAEcAAiexoQAD/GBxW4ACIEgAAF+AEPuAAQHwC4AAwT9LgAFwQ4ADFhofQwACIucaAEBIgBEQX+AkIAAGcHaAgvD3YIAQsvv2N4AQUf0JAABh/4SAEABoABCjgAT3mn+P9AABE7ean4UAISWaAFOAdYAFABKr9zWAEA4AQfEOgBEQNYACJ5oaAANXsauEAGASgKIhIs+AMSIQAEImMSKAUkH2dABRKwMAAhBwB8ByJhJigABAACDfABD5AADQNgBCMdGcABEqiYACNdiRAOEqhwAC+/g2AAKxRdYAAD6AJIXYYZADgHBfgEAwABEQUKCQYYADEmBiiZBg3QAw9QAgUMEAMDOAUqD2FYAgGwBQMABhdzcAAxxQAakAExZQAZIAATDMAGI2NicAEjiQCoABoTaAQfGJgADBqDmAAE+AIEaAUFsAIeqUAFD2ABAwpIAjl7arDAAiIEB7gPMVYHuhAAJGEjgAwfCoAMCg94DDEf8HgMIGbHCgAAADh4DGYJCwAAGUB4DAAQADkeQARoDACIDBsGiAwbCIgMGwuIDBsPiAwbEIgMGxKIDBsYiAwbG4gMGx+IDBsgiAwbIYgMGyKIDBsjiAwbJIgMGyWIDBsmiAwbJ4gMGyiIDBspiAwbKogMGy2IDBsviAwbMYgMGzN4DBs2EAAbN4gMGzyIDBtAiAwbQogMG0OIDBtEiAwbRYgMG0aIDBtHiAwbSogMG02IDBtRiAwESAxmNwsAABDcSAwAEABXE9wDAFYQAFMG3AMAVxAAk1wLAAAd4AMAWBAAlIALAAAzcAIAWjACADAAQ4gCAF8QAJv9CwAADowCAGkQABRsqBOLDAAADJACAHYQABN4EACThgwAAA64AgB+EACbpQwAABmYAgCPEAAXkRAAVD+YAgCSKA1hDQAAEaACiAMEEABbJKACAKYQABenEABTB6ACAKoQAJdhDQAANKgCAK4QAFMDqAIAshAAk7ANAAAOrAIAuRAAm+QNAAAMsAIAuyAAG74gABvAEAAbwvAAE8oQAJtFDgAACcgCAM0QABPQEAAQcBAAQ9ACANEQAJd9DgAAFMwCANIQAFMPzAIA0xAAlJUOAAAbxAIA1hgOACAAQ9gCANwQAJQ1DwAADOgCAN7wAIMPAAAW7AIA6BAAEI0gAEP0AgDqEACTug8AABf4AgDwEAAQ5SAAQ/wCAPEQACD1D0QGNAMA87AEgxAAAAccAwD4EACTKBAAAAokAwD7EACbVRAAACIoAwD9IAAX/iAAYwcoAwABAfACgxAAAA4sAwADEACXtRAAACA0AwAEEABTHjQDAAsQAJvdEAAADQgDABEQABMUEACbDxEAAAsQAwAWEAATGhAAlz0RAAAQ1AIAGxAAagLUAgAcAdgPKh0B2A8qHgHYDyofAcgPGyMQAColAdgPKioB2A8mLQEwBmICQAQAvEZkBiO8N6gGEygQABoZ0A8VvMgPAwgVE2oADxJ62A8UY4AUEooQDgwIByNhI5gNIgMDEAASIhAABFgPT14CGgA4AAsZAjgAP14SFIgQAhNhcAcxFgID4Ac5YRYAoA8/XgYNCBQCI7+jEAASAzAVD/gHCR8C+AcYDMgHEK0tABZk+Bhm/wEAAA1siBl1JwIAAA5wAbgHABAAMAhwAa8HAqgHZQIAABp0AbgHcZECAAAGQAGkAQQQADURQAHIBwAQADUUQAHIBwAQAFstQAEAEUAABNgHEMUQACVIAWAUABAAVxFIAQAWEABbFEgBABcwAAQICBDxEAAlUAEICAAQADUfUAGAFAAQADUiUAGAFAAQADU3UAGAFARAAAVAFGYDAAAGhAHIBwMQABgpwBIhiAH0GAAQAKOcAwAAAZABAL8myAIaF6ALE3uQGCN7GuAWLRroUAoT6FAKExjwARBwOAoSpDAAInmjMAAqvHGQFgB4GUzE////8AEQwekBFpj4GnUQBQAAEqABiAmTKwUAAAKoAQAKEABmWgUAACus4AEAEAA1IKwBIBYAEAAmCazgAQAQACYCrK0CAPQCCIgCIp/rnAEB1AsSCQQAJegRHwAjAgNoEQAHABIEjAMETQABqQMA1wIDCxIBpAIHKAAFRAAWBgwACTQAJgAoJAAA8AADUwQQCIMRHx9MAAQA+AASLEAAEAS4AABACRMMHQATO8QDACQJIkEA8AsxYAAA1AgADAAXgEgAFg0MABAKHAMTTHAAEgEsABMBvxsUCLcDAHAAAIgAFlcQAQEEFRMFcAASaDMLAWQAAIQIALABE8DMEgAjBRcQOAAAgAAfExQBBBcbJAAfFTgBBQFyAAEQACMEEJQAFxKUABMUIgATeHwAGxZ8AB8ZWAAEB6gBEAKIADB/AABoGDIESCHoAhMeHQAXjVABE5EMABOgzAQTCPgAE5mMARfgjAEAhQAEjAFTIAEAAJ0MADFAAQAoCQGwAUQBAACrYABEAQAAr2AAAHQKAxgCIsAB+AEAkAExQAIAFAkAJwAANAQTwcgBFQgmAQboABMc6AAbAhgAEw4YAB8QGAAEAYUMCwQCFxhwAR8BBAIEExoMARPUiAEbIYgBAKwMEtxtABAEQAAT6qQAAAEAAOgIEyVYADH0AADgBABYABr54AAvAf7wAAgbJtgBAEsGAPwAANIWAEAFEhCcBiYMKOQCASAAEzskAQRcAwTAAQS8ARKhxQAvDCpYAAQingNYAB8sIAAEIiUEIAAXLgwBFzGQAwfFAA+QAAIxsgQAwBkDdAcnDDJIAGY1AAAAiwVUASKlBTgAD1QBCSGpBZAAIwQC3AED6wgiALXRBCcBAhwCCMwAUjQAAADEPAAvDDggAAQiDwYgAB86IAAEE1IgABc8xAAQP1gDEgbEAB8YGAIIE5kMAB+AXAAAAHAaE55cAAcYAhACIA4mjgpcAA8gAQUPXAAJAHQOIqcKXAAAYA4m5AuMBCLwCygCAAEAIvMLJBEIgAAXSQwAAEwOIiwMPAAAWAMxNgwAcA4BzAUDDAATgPgBBGAAMT8MANwaAAEAIkMMuAUIYAAXUwwAAGwOIvAM3AEAuAJa/QwAAE6HCRACRiAmAQ1gAEMJDQAAAxhrABENAABQYAAXUQwAAOwOIp4NYAAAPAAmow3AACYTDngAJRwOYAY2ACUOfAFTKw4AAFUYACY2DswAAOQAG1OwBhNU8AAEPAAmBQ9UACIOD7gCADwAUxUPAABbPAAmHQ+EAFsiDwAAWPwAF1l0AwBoDyknDwQHBSgAF28oABZdDAAQCSQAEmYsCBQOCAUbcRAAG3wQAARIABdiSAAAyxMShygAeQhkAAAAjBGIACMEkkQAE2FEABueEAAbqxAAE7oQABocdAAJ1AUABAATvygAE2koACHHEQgAIw8IzAUTAAgBIcwRPQAQDwwCBBsJALACExcIAAD8AQB3DBMwEAAh0hF0BREPUAwGXAUBvBAEfAATYFwAEQQsFQLYBACEABJmdAcBDAATZ7AAAAwAE9qcAAAwABdqVAAS4pEAEQcGAPAYaW50AF9fQVJSQVlfU0laRV9UWVBFX18AX191MzIAdW5zaWduZWQgJwDzQm9wZW5fYXJncwBwYXRoAGRpcmZkAGZsYWdzAG1vZGUAY2hhcgBfX3MzMgB0eXBlAG1heF9lbnRyaWVzAGtleQB2YWx1ZQBjYWxscwBldmVudAcAARMA8ARlcnMAcGlkAHRpZAB1aWQAcmV0YgDwC2VjdG9yeQBjdXQAZW5kAHVudXNlZABjb21togAmNjSiAEFsb25nBQDAAHNjcmF0Y2gAc3lzWgAAhAAhZXI0AGFvbgBpZADDAAEqAAk9AFEAY3R4ACwAEF/qAMMAdHJhY2Vwb2ludC9KABBzCQAXXyMAIC4vBwDxBXNub29wLmJwZi5jAAlyZXR1cm4gJQDwAyhBVF9GRENXRCwgKGNvbnN0ICMBgCAqKWN0eC0+hwBWWzBdLCAOABkxDgBCMl0pO5EA8AkALnRleHQAc3RhdGljIF9fbm9pbmxpbmWXAQNrAAAKAAGSASgsIGsAAKoBISwgzQERIKsBBA0AALIBMSkACUUB8RIgaWQgPSBicGZfZ2V0X2N1cnJlbnRfcGlkX3RnaWQoKTsoAEEzMiB0KQDFaWQ7AAlzdHJ1Y3QgFAIRIAUAUD0geyAudAAyID0gewARLpUAJCA9nQARLoYAJCA9jgAQLokAISA9kADAIH07AAlpZiAodGFyigB3cGlkICYmIA4AQSE9ICiLAMkpKGlkID4+IDMyKSk0ABl0NAAZdDQAKmlkLAASdR4AMzB4ZgEABzoAGXU6AAwcAUF1aWRfGwEDUQAAIADxAm1hcF91cGRhdGVfZWxlbSgmMwKQLCAmdGlkLCAmIAGQLCBCUEZfQU5ZOAD3EwlfX3N5bmNfZmV0Y2hfYW5kX2FkZCgmbG9zdCwgMSk7AH2OAi9hdJACECthdIACCmgCD4QCBQx2AggOABUzhAIDYgAfMogAEhoyiQBPX2hvd40AGAMcAEl2b2lkHAABEQNVZnJvbQBWAA8UAwkBdgAPGAMKCGgAAFgAGinYAkBob3cgBAAwPSB7mgIA5QHxFHByb2JlX3JlYWRfdXNlcigmaG93LCBzaXplb2YoaG93KSwgSQAbO4oBA4MAAncAQ2hvdy7/AgALAAGLAxI7WAERXxIFVV9yYXdfVAEA7gAEHgBGbnRyebcE+ABzaG9ydAByZWxvY2F0ZWSbBB8/vwQQUTA6MjowBgARMQYAHzJLAAIvYXRNABEhYXRDAB8zQwAEHzJEABMWMrUF13hpdABsZWF2ZV9hbnl1AgCyBhUgGQATKLABCDcAZSAqY3R4KYEBASwAAH4CA9gCrHJldCwgZmFsc2XZBA8CBQfvLCB6ZXJvID0gMCwgZW4ABQITKgEFBAsEbmxvb2t1cAsEEynkBBAhMAADPwSwZmFpbGVkX29ubHmDBM9yZXQgPj0gMCkACWVSAAUD5QYwLCAmmgAFVQAA1AVPZS0+cNAADAI7BRE7LAAC/AARdNYFT2UtPnU7AAIF8QQCJQAAogAQPagAAg8ABNQFANMAAw4AAhkAA90FAhgAAA0AAhcABdkHAFIBA1oDCG4AAKwHQChlLT4IAAVeAwMQABQp7AAgd2EqAAI7CDEpIHtRBQDNBoRzdGFja1szXbcDBV4AARkAAgkCAQsABVoAAQ4AEimdBcBGX1VTRVJfU1RBQ0tqAACvAANlACBbMFQAAl8AKzFdHAAWMRwAEDIcABNuRQELMQRAX3N0csoAAgkEQVBBVEh2CRMsIwEAFwAE4ADWbiA8PSAwIHx8IG4gPisAAusAA0MAApMAEjBWASBlbroBEG4NAAEKAKMqKHZvbGF0aWxl9AcyKikmJwADYgAAJwAXPl8BAX4AB9IG8gFyaW5nYnVmX291dHB1dCgmtQkwLCBlRQjhYnVpbHRpbl9vZmZzZXRGAQESAwElAALqBDApICsuAzAsIDBWAATHAk9kZWxlJAcBDwMFBQAJBAZVBAYTBBs/FAQPJAAABJQAD1gABQMqBD8wOjIuBAsBawIFtQIEoQEGxgI3JiYgkQFgIT0gJy8n4gdmYXBwZW5kOgAkKGXpAQEQBhYpSARTdGFza18MABAqDQBPID0gKBwAAQ2LCAAeABcokwAAbQkkPSB6CgAuAgdAAPAIAGZzAGZpbGVzADA6MAAJCXZmc21vdW7NAwD9AqBDT1JFX1JFQUQoNADQLCBmcywgcHdkLm1udHoHFHNGAOJyb290AHB3ZABtbnQAZJUGMTA6MVMAAg8AD1EADAIlACEpOzYAEzG8BAM6AER8fCAhmAAAnAE0MQAJJgEAuwAxICoqwgAPYgAFABwAQCwgZmTlBUFkKSwgLgCCID0gTlVMTDv9AAUNARFkBAAyYWJsrQyHZmRzAGZkAAlLARI8ggMDBwoCFAAfPnoADwNOAAHnCQsGBIBrZXJuZWwoJi8ABYIEAA0AEylDADQgKyAeAgAQADEAZl9vDS8wOrMBDAJRAAIuAAOyAQA0AB8xlAEHCTIABZMBBGEAAN0BEV/qAQYPACBwYXQCAQsAARUAAn4DEAkmAA1eAARIACQsIEkAAz0GIGN1LQAeMQsGBZ0EBOEAEygDCgX0ABEtVAWjY29yZV9maWVsZH4EBCoDBnAAAbsFAvYEDw0FDxRk2ACwZF9uYW1lAGRfaW7RDlFxc3RyABIABXIJAeQOIgkJMAAN8wACRAEkLCBRAAGGAAFNAgOBASE9ICsBNnx8IBIAAysAAdcFbQlhYm92ZVgAB0gBB1kACFoAFiFaAANDABI9DgEDWAAGeAERMDsAZAlicmVha58AAgkGBWMGsiArIERJUkVDVE9SFRAAxwIACAEP8QAIAB8AEC4FAAGbAA/+BgAC+AIBAAcUJi0Fo2VuZF0sIE5BTUUGBwVBAA4BBwUmAACNAA/OAQcARwJBbmQgKwgHD/oCBgdRAQbIAgJVAQ/MAgIGMAAYLs0CYWZvciAoaVUBRyBpIDw2AaJERVBUSDsgaSsrggUEwg4WAJkOFgBqDoAAYm9vbABfQgYABwwKGADjCBoAhQYQACgO8BsATElDRU5TRQAuYnNzAC5tYXBzAC5yb2RhdGEAbGljZW5zZQBpbm9kZQA=";
