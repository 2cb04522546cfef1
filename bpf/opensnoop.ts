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

  get #bss(): DataView<ArrayBuffer> {
    return this.object.data(".bss");
  }

  get #rodata(): DataView<ArrayBuffer> {
    return this.object.data(".rodata");
  }

  /** `target_pid` in `.rodata`. */
  get targetPid(): number {
    return this.#rodata.getUint32(0, true);
  }
  set targetPid(value: number) {
    this.#rodata.setUint32(0, value, true);
  }

  /** `target_tid` in `.rodata`. */
  get targetTid(): number {
    return this.#rodata.getUint32(4, true);
  }
  set targetTid(value: number) {
    this.#rodata.setUint32(4, value, true);
  }

  /** `target_uid` in `.rodata`. */
  get targetUid(): number {
    return this.#rodata.getUint32(8, true);
  }
  set targetUid(value: number) {
    this.#rodata.setUint32(8, value, true);
  }

  /** `failed_only` in `.rodata`. */
  get failedOnly(): boolean {
    return this.#rodata.getUint8(12) !== 0;
  }
  set failedOnly(value: boolean) {
    this.#rodata.setUint8(12, Number(value));
  }

  /** `want_callers` in `.rodata`. */
  get wantCallers(): boolean {
    return this.#rodata.getUint8(13) !== 0;
  }
  set wantCallers(value: boolean) {
    this.#rodata.setUint8(13, Number(value));
  }

  /** `want_directory` in `.rodata`. */
  get wantDirectory(): boolean {
    return this.#rodata.getUint8(14) !== 0;
  }
  set wantDirectory(value: boolean) {
    this.#rodata.setUint8(14, Number(value));
  }

  /** `lost` in `.bss`. */
  get lost(): bigint {
    return this.#bss.getBigUint64(0, true);
  }
  set lost(value: bigint) {
    this.#bss.setBigUint64(0, value, true);
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
  readonly events: Events<Event> = this.records("events", new Event(), 8520);

  /** Reads the object that this file holds. */
  constructor() {
    super(SPEC, OBJECT, { ways: { "tracepoint": tracepoint } });
  }
}

// deno-fmt-ignore
const SPEC = '{"open":1424,"size":14500,"name":"opensnoop","license":"GPL","version":0,"programs":[[["enter_open",41,[0,56],[1424,80],[[4,2,"enter"]],[]],5,"tracepoint","syscalls/sys_enter_open",1],[["enter_openat",45,[56,56],[1504,96],[[4,2,"enter"]],[]],5,"tracepoint","syscalls/sys_enter_openat",1],[["enter_openat2",47,[112,48],[1600,80],[[3,2,"enter_how"]],[]],5,"tracepoint","syscalls/sys_enter_openat2",1],[["relocated_enter_open",57,[1680,56],[1736,80],[[4,2,"enter"]],[[0,53,"0:2:0"],[8,53,"0:2:1"],[16,53,"0:2:2"]]],5,"tracepoint","syscalls/sys_enter_open",0],[["relocated_enter_openat",59,[1816,64],[1880,96],[[5,2,"enter"]],[[0,53,"0:2:1"],[8,53,"0:2:0"],[16,53,"0:2:2"],[24,53,"0:2:3"]]],5,"tracepoint","syscalls/sys_enter_openat",0],[["relocated_enter_openat2",61,[1976,48],[2024,80],[[3,2,"enter_how"]],[[0,53,"0:2:2"],[8,53,"0:2:1"],[16,53,"0:2:0"]]],5,"tracepoint","syscalls/sys_enter_openat2",0],[["leave_any",65,[160,752],[2104,768],[[8,0,"calls"],[13,1,".rodata",12],[21,0,"scratch"],[45,1,".rodata",13],[77,0,"events"],[84,1,".bss",0],[89,0,"calls"]],[]],5,"tracepoint","",1],[["relocated_leave_any",69,[2872,2424],[5296,1632],[[2,1,".rodata",14],[11,0,"calls"],[16,1,".rodata",12],[24,0,"scratch"],[51,1,".rodata",13],[287,0,"events"],[293,1,".bss",0],[298,0,"calls"]],[[8,67,"0:2"],[728,70,"0:0"],[784,73,"0:1:0"],[888,73,"0:1:1"],[976,70,"0:1"],[1040,77,"0:0"],[1088,79,"0:1"],[1232,77,"0:0"],[1272,79,"0:0"],[1416,82,"0:0:0"],[1472,82,"0:0:1"],[1568,83,"0:0"],[1592,84,"0:2"],[1728,86,"0:0"],[1824,84,"0:0"],[1952,86,"0:1:0"],[2104,84,"0:1"],[2168,84,"0:2:0"]]],5,"tracepoint","",0]],"functions":[["enter",43,[912,360],[6928,368],[[11,1,".rodata",0],[18,1,".rodata",4],[24,1,".rodata",8],[35,0,"calls"],[41,1,".bss",0]],[]],["enter_how",51,[1272,128],[7296,112],[[14,2,"enter"]],[]]],"maps":[{"keySize":4,"valueSize":24,"maxEntries":10240,"keyTypeId":8,"valueTypeId":11,"name":"calls","type":1},{"maxEntries":4194304,"name":"events","type":27},{"keySize":4,"valueSize":8520,"maxEntries":1,"keyTypeId":8,"valueTypeId":27,"name":"scratch","type":6},{"keySize":4,"valueSize":15,"maxEntries":1,"flags":1152,"valueTypeId":109,"name":".rodata","type":2,"data":[1400,15]},{"keySize":4,"valueSize":8,"maxEntries":1,"flags":1024,"valueTypeId":107,"name":".bss","type":2,"data":[1416,8]}],"globals":[["target_pid",".rodata",0,4,92],["target_tid",".rodata",4,4,92],["target_uid",".rodata",8,4,92],["failed_only",".rodata",12,1,97],["want_callers",".rodata",13,1,97],["want_directory",".rodata",14,1,97],["lost",".bss",0,8,28]],"externs":[],"btf":[7408,7092],"btfIsOptional":true}';
// deno-fmt-ignore
const OBJECT = "eRIQAAAAAAB5FCAAAAAAAHkTGAAAAAAAtAEAAJz///+FEAAA/////7QAAAAAAAAAlQAAAAAAAAB5EhgAAAAAAHkUKAAAAAAAeRMgAAAAAAB5ERAAAAAAAIUQAAD/////tAAAAAAAAACVAAAAAAAAAHkTIAAAAAAAeRIYAAAAAAB5ERAAAAAAAIUQAAAsAAAAtAAAAAAAAACVAAAAAAAAAL8XAAAAAAAAeXkQAAAAAACFAAAADgAAAGMK/P8AAAAAtAEAAAAAAABjGvj/AAAAAL+iAAAAAAAABwIAAPz///8YAQAAAAAAAAAAAAAAAAAAhQAAAAEAAAC/CAAAAAAAABUITwAAAAAAGAEAAAAAAAAAAAAAAAAAAHERAAAAAAAAxQkCAAAAAABUAQAAAQAAAFYBRAAAAAAAv6IAAAAAAAAHAgAA+P///xgBAAAAAAAAAAAAAAAAAACFAAAAAQAAABUAPgAAAAAAvwYAAAAAAAB7Ctj/AAAAAIUAAAAOAAAAdwAAACAAAABjBhAAAAAAAGGh/P8AAAAAYxYUAAAAAACFAAAADwAAAGOWHAAAAAAAYwYYAAAAAABhgQwAAAAAAGMWIAAAAAAAYYEQAAAAAABjFiQAAAAAALcJAAAAAAAAe5YoAAAAAAB5odj/AAAAAAcBAAA4AAAAtAIAABAAAACFAAAAEAAAABgBAAAAAAAAAAAAAAAAAABxEQAAAAAAAFYBDQABAAAAe5rw/wAAAAB7muj/AAAAAHua4P8AAAAAv6IAAAAAAAAHAgAA4P///79xAAAAAAAAtAMAABgAAAC3BAAAAAEAAIUAAABDAAAAeaHo/wAAAAB7FgAAAAAAAHmh8P8AAAAAexYIAAAAAAB5gwAAAAAAAHmh2P8AAAAABwEAAEgAAAC/FwAAAAAAALQCAAAAEAAAhQAAAHIAAADFAAEAAQAAAMUAAwABEAAAtAEAAAAAAABzFwAAAAAAALcAAAABAAAAYwYwAAAAAABhYzAAAAAAACYDCwAAIQAABAMAAEgAAAAYAQAAAAAAAAAAAAAAAAAAv2IAAAAAAAC3BAAAAAAAAIUAAACCAAAAFQAEAAAAAAC3AQAAAQAAABgCAAAAAAAAAAAAAAAAAADbEgAAAAAAAL+iAAAAAAAABwIAAPz///8YAQAAAAAAAAAAAAAAAAAAhQAAAAMAAAC0AAAAAAAAAJUAAAAAAAAAvEYAAAAAAAC8NwAAAAAAAL8oAAAAAAAAvBkAAAAAAACFAAAADgAAALwBAAAAAAAAYxr8/wAAAABjavD/AAAAAGN67P8AAAAAY5ro/wAAAAB7iuD/AAAAABgCAAAAAAAAAAAAAAAAAABhIwAAAAAAABYDAwAAAAAAYSIAAAAAAAB3AAAAIAAAAF4CGgAAAAAAGAIAAAAAAAAAAAAAAAAAAGEjAAAAAAAAFgMCAAAAAABhIgAAAAAAAF4SFAAAAAAAGAEAAAAAAAAAAAAAAAAAAGESAAAAAAAAFgIDAP////9hFgAAAAAAAIUAAAAPAAAAXgYNAAAAAAC/ogAAAAAAAAcCAAD8////v6MAAAAAAAAHAwAA4P///xgBAAAAAAAAAAAAAAAAAAC3BAAAAAAAAIUAAAACAAAAFQAEAAAAAAC3AQAAAQAAABgCAAAAAAAAAAAAAAAAAADbEgAAAAAAAJUAAAAAAAAAvyYAAAAAAAC8FwAAAAAAALcBAAAAAAAAexr4/wAAAAB7GvD/AAAAAHsa6P8AAAAAv6EAAAAAAAAHAQAA6P///7QCAAAYAAAAhQAAAHAAAAB5pPD/AAAAAHmj6P8AAAAAvHEAAAAAAAC/YgAAAAAAAIUQAADE////lQAAAAAAAAAAAAAAAAAAAP////8AAAAAAAAAAAAAAAATALACBAQAAMcAPT4BAAEAH1AUAAAvAMQVAAEKUAAEBAAfPisAAz8A0AMYAAMvANwxAAQPXAAUL1kEOQAAHvQpAAWQBikTGJgGD5AGDQ84ASovEAKIAAADgAAqFRC4BgPwBj+8UQDoBgoPGAEBHwJ4ASEvKAIXAAIPSAcdD6gBKi9AAvgBDhMC0AQXBBAAEwYUAB8DhAIEDwQABRMCBAAIWAAADAAXBWAADzAAAQQsAB8CJAAAEwUYABMFJAAfPs8CBw8BAJJAswYAAIoCFyUUAADYB1M9AAAADBAAlx4AAAArAAAACSQAEywIABMPPABT2////zQUAANjBhAAEwUTEwwAEzEIABMVGAATPhAAGxwIABMAHAAAlgIAawUA1gUbIyAA8AJm+f//8AYAAHH8//8AIAQAAPMHFygABRMEjQgDnAkBCAAXBNEABCQABAgAAAQAAEwAHwgcAAAPFAAFGwQYABsIXAAEcAAbDEgACEQAQywAAL8tAT95lhBACgMrFwCwChvwsAod7EAJH/CwChIvHQGwCgocBrAKLBIBaAAf7LAKCiIMAUgIErgAByIKyNgGL6fIuAoDFAe4CgOACBsXuAoTZ7gKGwe4ChsXuAoTF7gKBCgLInrAgAATZ8AKA4AABGAKD8gKHxIOyAoSahAJM3tq2AgAHdCIARDQgAgfkcgKDQJAACN5oqgAFBK4CgNgABoS0AojBwfICh9xyAorOXt6yHgAI2MC2AoSobABMxYByIgAAigABAABUBYBxQAvKAAlhwigAQCgAxO/HQQxVgcfYAcECAkTD+ACCPgIE/j4CABCACa/kzgCE3FACREQAAkCQAkuDxNAABfQQAAEOABPeafQ/2gAHR8YaAAhKanQOAEiFQlhCjUFAEkAChgI+AATqFAAEgiQACa/gbgBD5gABR8AmAABCzgACDAAHwjIACESpsgABrAKAhAAP8YHFbgAIgSAAAX4AQ+4ABAfALgADBP0uAAXBDgAMWGh9DAAIi5xoAQEiAERBf4CQgAAZweYBy8PdggBCy+/Y3gBBR/QkAAGH/hIAQAGgAEKOABPeaf4/0AAETt5qfhQAhJZoAUpB1hQDCq/c1gBAOAEHxDoAREDWAAzeaHQiAwVuEAGAdAOEhLKByJhIQAEImMSKAUkH2dABRKwMABABwAAQCgAEiYoAAQAAg3wAQ+QAA0DYAQjHRnAARKomAAjXYkgCxKocAAvv4NgACsUXWAAA+gCSF2GGQA4BwX4BAMAATkFACoYADEmBiiZBg3QAw9QAgUMEAMDOAUqD2FYAia0AgAGF3NwADHFABqQARBlPglDAQAADMAGI2NicAEjiQCoABoTaAQfGJgADBqDmAAE+AIEaAUFsAIeqUAFD2ABAwpIAjl7arDAAiIEB8gMQlYHuv/oDwQoER8KKBEKDyARMR/wIBEYCHgMHwN8DBAfBHwMHB8DUAwACHwMHwI4AAgMhAAbAqQMAEQAEwooABcKqAAXESwAEwMQABcBUAAABAAbB+AMEwKLCg9gDQETA1gAGwJoABsBBA0bAvQAEwFoABcGFAAPQAEFHwRQDbwPAQDFU8cKAABCDAAm9/tsDQ8sDnkXbzwCAGgAAAoMU0oAAAAzFAATUwgAEDbgBgdEABtv7AATTQgAANIXAKgAF8ywAFOi/v//v2gAEyugDgFIDTAAAABzFRNa8AAABAATLSQAAGgFIgsAaA8AFABA0////wgAF0GIAAOfFSMAMggAEy4IAE+Y+P//AA8FEZ+BARYEXA4fEAQPhBsEGAAxkP7/MQEMQAAABQEX4MQAGwiZAR8IsAAACHwAFxAMABP8SABT+P//ABQcAAi4AAQEABccFAAEUAAI9AAT1EgABBAAE8QQAC8QAdgPBxZEDwAM7AQfA/QFBA8QAAkINAYPJAVNV60BAABSkAIARAYfWSgAABs0EAAfLCQAABdRJAQB3xcuZAE4Ah7MuBYP+AEGD4EAAQeEARcDoBMITAEPMAEJIsEE6AMxGwAA2A4JAQATmLAAGwjEAnMAAACf6wEAewkyALQJBAAl6BEfABQCxAEABwASBKQEBIYAAaIVCBQHGgUoAAVEABYGDAAJNAAFnQFGAAACCEQFJggJUAQNTAATC6QBUwQAAAQYBAUECwQTO5wFE0CUBABUAFNgAAAARwwAF4BIABYNDAAQCsARE0xwABIBLAATAfQBJggCnwEQBIgAFlcQASMAXPQAAHAAE2gsCABkABNsaAgTwMwQACMSFxA4AACAAB8TFAEEFxskAB8VOAEFAXIAARAAIwQQlAAXEpQAExQiABN4fAAbFnwAHxlYAAQHqAEQAogAEn8YBjIESCGAChMeHQAXjVABE5EMABOglAoTCPgAE5mMARfgjAEAhQAEjAFTIAEAAJ0MAFRAAQAAp7ABRAEAAKtgAEQBAACvYABDAQAAthgCIsAB+AETIIsXE7usARAdCAMDyAEVCCYBBugAFxyABAgYABcOZwYPGAABAPALDAQCFxhwAR8BBAIEExoMARPUiAEbIYgBANgHEtxtABAEQAAX6iAHE/H8BwAYAFP0AAAAJ1gAGvngAC8B/vAACBsm2AFAAQAADfwAANIUEyP7BQCjDRYo5AIBIAATOyQBBFwDBMABBLwBEqHFAC8MKlgABCKeA1gAHywgAAQiJQQgABcuDAEXMZADB8UAD5AAAlayBAAAMGwNJwwySABmNQAAAIsFVAEipQU4AA9UAQkhqQWQACMEAtwBA2seIgC10QQnAQIcAgjMAAC7BRLEPAAvDDggAAQiDwYgAB86IAAEE1IgABc8xAAQP1gDEgbEAB8YGAIIE5kMAB+AXAAAAFAKE55cAAcYAhACrBUmjgpcAA8gAQUPXAAJAEALIqcKXAAAIwgm5AuMBCLwCygCAAEAIvMLJA8IgAAXSQwAAKAKIiwMPAAAWAMiNgzoCgHMBQMMABOA+AEEYABTPwwAAEskACJDDLgFCGAAF1MMABBWkAASDNwBALgCWv0MAABO/wYQAjQHJgENYAAmCQ30C1sRDQAAUGAAF1EMAABgCCKeDWAAADwAJqMNwAAmEw54ACUcDmAGNgAlDnwBVCsOAABVzAsWDswAAOQAG1OwBhNU8AAEPAAmBQ9UACIOD7gCADwAUxUPAABbPAAmHQ+EAFsiDwAAWPwABxAJEArwCyknDwQHBSgAB1gMJgpdDAAQCSQAEmYsCBQOCAUbcRAAG3wQAARIABdiSAAAyxEShygAeQhkAAAAjBGIACMEkkQAE2FEABueEAAbqxAAE7oQABocdAAJ1AUABAATvygAE2koACHHEQgAIw8IzAUEswkhzBE9ACMPUEgKEwB8BhMXCAATEBgKEzAQACHSEXQFEQ/QIQffCRdffAAXYI8JE2XYBACEABNmjA0ADAATZ7AAAAwAE9qcAAAwABdqVAAS4pEAEQcGAPAYaW50AF9fQVJSQVlfU0laRV9UWVBFX18AX191MzIAdW5zaWduZWQgJwDzQm9wZW5fYXJncwBwYXRoAGRpcmZkAGZsYWdzAG1vZGUAY2hhcgBfX3MzMgB0eXBlAG1heF9lbnRyaWVzAGtleQB2YWx1ZQBjYWxscwBldmVudAcAARMA8ARlcnMAcGlkAHRpZAB1aWQAcmV0YgDwC2VjdG9yeQBjdXQAZW5kAHVudXNlZABjb21togAmNjSiAEFsb25nBQDAAHNjcmF0Y2gAc3lzWgAAhAAhZXI0AGFvbgBpZADDAAEqAAk9AFEAY3R4ACwAEF/qAMMAdHJhY2Vwb2ludC9KABBzCQAXXyMAIC4vBwDxBXNub29wLmJwZi5jAAlyZXR1cm4gJQDwAyhBVF9GRENXRCwgKGNvbnN0ICMBgCAqKWN0eC0+hwBWWzBdLCAOABkxDgBCMl0pO5EA8AkALnRleHQAc3RhdGljIF9fbm9pbmxpbmWXAQNrAAAKAAGSASgsIGsAAKoBISwgzQERIKsBBA0AALIBMSkACUUB8RIgaWQgPSBicGZfZ2V0X2N1cnJlbnRfcGlkX3RnaWQoKTsoAEEzMiB0KQDFaWQ7AAlzdHJ1Y3QgFAIRIAUAUD0geyAudAAyID0gewARLpUAJCA9nQARLoYAJCA9jgAQLokAISA9kADAIH07AAlpZiAodGFyigB3cGlkICYmIA4AQSE9ICiLAMkpKGlkID4+IDMyKSk0ABl0NAAZdDQAKmlkLAASdR4AMzB4ZgEABzoAGXU6AAwcAUF1aWRfGwEDUQAAIADxAm1hcF91cGRhdGVfZWxlbSgmMwKQLCAmdGlkLCAmIAGQLCBCUEZfQU5ZOAD3EwlfX3N5bmNfZmV0Y2hfYW5kX2FkZCgmbG9zdCwgMSk7AH2OAi9hdJACECthdIACCmgCD4QCBQx2AggOABUzhAIDYgAfMogAEhoyiQBPX2hvd40AGAMcAEl2b2lkHAABEQNVZnJvbQBWAA8UAwkBdgAPGAMKCGgAAFgAGinYAkBob3cgBAAwPSB7mgIA5QHxFHByb2JlX3JlYWRfdXNlcigmaG93LCBzaXplb2YoaG93KSwgSQAbO4oBA4MAAncAQ2hvdy7/AgALAAGLAxI7WAERXxIFVV9yYXdfVAEA7gAEHgBGbnRyebcE+ABzaG9ydAByZWxvY2F0ZWSbBB8/vwQQUTA6MjowBgARMQYAHzJLAAIvYXRNABEhYXRDAB8zQwAEHzJEABMWMrUF13hpdABsZWF2ZV9hbnl1AgCyBhUgGQATKLABCDcAZSAqY3R4KYEBASwAAH4CA9gCrHJldCwgZmFsc2XZBA8CBQfvLCB6ZXJvID0gMCwgZW4ABQITKgEFBAsEbmxvb2t1cAsEEynkBBAhMAADPwSwZmFpbGVkX29ubHmDBM9yZXQgPj0gMCkACWVSAAUD5QYwLCAmmgAFVQAA1AVPZS0+cNAADAI7BRE7LAAC/AARdNYFT2UtPnU7AAIF8QQCJQAAogAQPagAAg8ABNQFANMAAw4AAhkAA90FAhgAAA0AAhcABdkHAFIBA1oDCG4AAKwHQChlLT4IAAVeAwMQABQp7AAgd2EqAAI7CDEpIHtRBQDNBoRzdGFja1szXbcDBV4AARkAAgkCAQsABVoAAQ4AEimdBcBGX1VTRVJfU1RBQ0tqAACvAANlACBbMFQAAl8AKzFdHAAWMRwAEDIcABNuRQELMQRAX3N0csoAAgkEQVBBVEh2CRMsIwEAFwAE4ADWbiA8PSAwIHx8IG4gPisAAusAA0MAApMAEjBWASBlbroBEG4NAAEKAKMqKHZvbGF0aWxl9AcyKikmJwADYgAAJwAXPl8BAX4AB9IG8gFyaW5nYnVmX291dHB1dCgmtQkwLCBlRQjhYnVpbHRpbl9vZmZzZXRGAQESAwElAALqBDApICsuAzAsIDBWAATHAk9kZWxlJAcBDwMFBQAJBAZVBAYTBBs/FAQPJAAABJQAD1gABQMqBD8wOjIuBAsBawIFtQIEoQEGxgI3JiYgkQFgIT0gJy8n4gdmYXBwZW5kOgAkKGXpAQEQBhYpSARTdGFza18MABAqDQBPID0gKBwAAQ2LCAAeABcokwAAbQkkPSB6CgAuAgdAAPAIAGZzAGZpbGVzADA6MAAJCXZmc21vdW7NAwD9AqBDT1JFX1JFQUQoNADQLCBmcywgcHdkLm1udHoHFHNGAOJyb290AHB3ZABtbnQAZJUGMTA6MVMAAg8AD1EADAIlACEpOzYAEzG8BAM6AER8fCAhmAAAnAE0MQAJJgEAuwAxICoqwgAPYgAFABwAQCwgZmTlBUFkKSwgLgCCID0gTlVMTDv9AAUNARFkBAAyYWJsrQyHZmRzAGZkAAlLARI8ggMDBwoCFAAfPnoADwNOAAHnCQsGBIBrZXJuZWwoJi8ABYIEAA0AEylDADQgKyAeAgAQADEAZl9vDS8wOrMBDAJRAAIuAAOyAQA0AB8xlAEHCTIABZMBBGEAAN0BEV/qAQYPACBwYXQCAQsAARUAAn4DEAkmAA1eAARIACQsIEkAAz0GIGN1LQAeMQsGBZ0EBOEAEygDCgX0ABEtVAWjY29yZV9maWVsZH4EBCoDBnAAAbsFAvYEDw0FDxRk2ACwZF9uYW1lAGRfaW7RDlFxc3RyABIABXIJAeQOIgkJMAAN8wACRAEkLCBRAAGGAAFNAgOBASE9ICsBNnx8IBIAAysAAdcFbQlhYm92ZVgAB0gBB1kACFoAFiFaAANDABI9DgEDWAAGeAERMDsAZAlicmVha58AAgkGBWMGsiArIERJUkVDVE9SFRAAxwIACAEP8QAIAB8AEC4FAAGbAA/+BgAC+AIBAAcUJi0Fo2VuZF0sIE5BTUUGBwVBAA4BBwUmAACNAA/OAQcARwJBbmQgKwgHD/oCBgdRAQbIAgJVAQ/MAgIGMAAYLs0CYWZvciAoaVUBRyBpIDw2AaJERVBUSDsgaSsrggUEwg4WAJkOFgBqDoAAYm9vbABfQgYABwwKGADjCBoAhQYQACgO8BsATElDRU5TRQAuYnNzAC5tYXBzAC5yb2RhdGEAbGljZW5zZQBpbm9kZQA=";
