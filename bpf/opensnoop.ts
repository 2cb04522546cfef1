// Generated from bpf/opensnoop.bpf.c by `deno task bpf`: edit that, not this.
import { type Events, RecordView, Skeleton } from "../lib/object/skeleton.ts";

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
  constructor(private readonly object: Skeleton) {}

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

  /** `lost` in `.bss`. */
  get lost(): bigint {
    return this.object.data(".bss").getBigUint64(0, true);
  }
  set lost(value: bigint) {
    this.object.data(".bss").setBigUint64(0, value, true);
  }
}

/** The object `bpf/opensnoop.bpf.c`. Programs: enter_open, enter_openat, enter_openat2, exit_any, exit_directory. */
export class Opensnoop extends Skeleton {
  /** Its global variables. */
  readonly globals: OpensnoopGlobals = new OpensnoopGlobals(this);
  /** The records of ring buffer `events`. */
  readonly events: Events<Event> = this.records("events", new Event());

  /** Reads the object that this file holds. */
  constructor() {
    super(SPEC, OBJECT);
  }
}

// deno-fmt-ignore
const SPEC = '{"size":14359,"name":"opensnoop","license":"GPL","version":0,"programs":[{"name":"enter_open","section":"tracepoint/syscalls/sys_enter_open","insns":[0,368],"references":[[11,"data",".rodata",0],[18,"data",".rodata",4],[24,"data",".rodata",8],[35,"map","calls"],[41,"data",".bss",0]],"coreRelocations":[[0,36,"0:2:0",0],[8,36,"0:2:1",0],[16,36,"0:2:2",0]],"typeId":43,"lines":[368,400],"type":5,"expectedAttachType":0,"flags":0,"attach":"tracepoint","target":"syscalls/sys_enter_open","autoload":true},{"name":"enter_openat","section":"tracepoint/syscalls/sys_enter_openat","insns":[768,368],"references":[[11,"data",".rodata",0],[18,"data",".rodata",4],[24,"data",".rodata",8],[35,"map","calls"],[41,"data",".bss",0]],"coreRelocations":[[0,36,"0:2:1",0],[8,36,"0:2:0",0],[16,36,"0:2:2",0],[24,36,"0:2:3",0]],"typeId":45,"lines":[1136,416],"type":5,"expectedAttachType":0,"flags":0,"attach":"tracepoint","target":"syscalls/sys_enter_openat","autoload":true},{"name":"enter_openat2","section":"tracepoint/syscalls/sys_enter_openat2","insns":[1552,448],"references":[[21,"data",".rodata",0],[28,"data",".rodata",4],[34,"data",".rodata",8],[45,"map","calls"],[51,"data",".bss",0]],"coreRelocations":[[40,36,"0:2:2",0],[80,36,"0:2:1",0],[88,36,"0:2:0",0]],"typeId":47,"lines":[2000,480],"type":5,"expectedAttachType":0,"flags":0,"attach":"tracepoint","target":"syscalls/sys_enter_openat2","autoload":true},{"name":"exit_any","section":"tracepoint","insns":[2480,744],"references":[[7,"map","calls"],[13,"data",".rodata",12],[20,"map","scratch"],[45,"data",".rodata",13],[76,"map","events"],[83,"data",".bss",0],[88,"map","calls"]],"coreRelocations":[[96,49,"0:2",0]],"typeId":51,"lines":[3224,768],"type":5,"expectedAttachType":0,"flags":0,"attach":"tracepoint","target":"","autoload":true},{"name":"exit_directory","section":"?tracepoint","insns":[3992,2368],"references":[[7,"map","calls"],[13,"data",".rodata",12],[20,"map","scratch"],[43,"data",".rodata",13],[280,"map","events"],[286,"data",".bss",0],[291,"map","calls"]],"coreRelocations":[[96,49,"0:2",0],[688,54,"0:0",0],[744,57,"0:1:0",0],[848,57,"0:1:1",0],[928,54,"0:1",0],[992,61,"0:0",0],[1040,63,"0:1",0],[1184,61,"0:0",0],[1224,63,"0:0",0],[1360,66,"0:0:0",0],[1416,66,"0:0:1",0],[1504,67,"0:0",0],[1528,68,"0:2",0],[1672,70,"0:0",0],[1768,68,"0:0",0],[1888,70,"0:1:0",0],[2040,68,"0:1",0],[2104,68,"0:2:0",0]],"typeId":53,"lines":[6360,1664],"type":5,"expectedAttachType":0,"flags":0,"attach":"tracepoint","target":"","autoload":false}],"functions":[],"maps":[{"name":"calls","type":1,"keySize":4,"valueSize":24,"maxEntries":10240,"flags":0,"keyTypeId":8,"valueTypeId":11,"pinByName":false,"numaNode":0,"extra":"0"},{"name":"events","type":27,"keySize":0,"valueSize":0,"maxEntries":4194304,"flags":0,"keyTypeId":0,"valueTypeId":0,"pinByName":false,"numaNode":0,"extra":"0"},{"name":"scratch","type":6,"keySize":4,"valueSize":8520,"maxEntries":1,"flags":0,"keyTypeId":8,"valueTypeId":27,"pinByName":false,"numaNode":0,"extra":"0"},{"name":".rodata","type":2,"keySize":4,"valueSize":14,"maxEntries":1,"flags":1152,"keyTypeId":0,"valueTypeId":92,"pinByName":false,"numaNode":0,"extra":"0","data":[8024,14]},{"name":".bss","type":2,"keySize":4,"valueSize":8,"maxEntries":1,"flags":1024,"keyTypeId":0,"valueTypeId":90,"pinByName":false,"numaNode":0,"extra":"0","data":[8040,8]}],"globals":[{"name":"target_pid","map":".rodata","offset":0,"size":4,"typeId":76},{"name":"target_tid","map":".rodata","offset":4,"size":4,"typeId":76},{"name":"target_uid","map":".rodata","offset":8,"size":4,"typeId":76},{"name":"failed_only","map":".rodata","offset":12,"size":1,"typeId":81},{"name":"want_callers","map":".rodata","offset":13,"size":1,"typeId":81},{"name":"lost","map":".bss","offset":0,"size":8,"typeId":28}],"externs":[],"btf":[8048,6311]}';
// deno-fmt-ignore
const OBJECT = "QHkWEAABADJ5FxgIACEYIAgAoYUAAAAOAAAAvAEPAFEAYxr8/wgAIorwCAAheuwIALG0AgAAnP///2Mq6BAAMXtq4AgAORgCAAEAImEjCAAyFgMDEAASIhAAQHcAAAByAE9eAhoAOAALGQI4ADJeEhQwABsBMAATEjAApQIDAP////9hFgDQABAPOAAhBg0QACK/ohgAowcCAAD8////v6MQAHwDAADg////WAAmtwRIAACKACIVABEAX7cBAAABuAAAE9uIABO0EAAXlRwAsWgBAAB6AQAAJ6ABPAAEEAAxNaABXAAEEABTQ6ABAAMQAHHXAQAADWgBdgAAEACX/wEAAA5sAQAFEABTCGwBAAYQAJMQAgAAGnABAAsQAHFpAgAABjwB1AEEEAAxETwBFAEEEABXFDwBABAQAFstPAEAEUAAExIQABCdEABHRAEAFRAAVxFEAQAWEABbFEQBABcwABMYEAAQyRAAR0wBABsQAFcfTAEAHBAAVyJMAQAdEABbN0wBAB5AABMjEACbGgMAAAaAAQAnEAATKRAAl1IDAAADhAEALGABYwKgAQB5FvgCKRcQAAM/eRkoCAMLE5oIAyOK7BADDwAD/xxmpgMAACu4AAMAEAAmD7gAAwAQACY5uAADABAAJke4AAMEEAMbBRADGwYQAx8HEAP/FQBgAVMCuAEAvzACE7cAAjJ7GtjYAiMa0AgAEcgIACJ5YygDI7+hOAJwAQAAyP///xAGExgoAhBwKAATZ2ADE2ZgAxOoQAASqVAAD2ADFhNqYAMfemAD/xQQNT8AFshQA2ZuBAAAEtAwA5eJBAAAN9gBAAgQAFMC2AEAChAAZs4EAAAr3DADABAAVw/cAQAMEABXPdwBAA0QACZI3FADBKADGw+gAxsQoAMbEaADGxVgAxsYoAMbGaADGxqgAxsbQAAbHHADGx+gAxsgoAMbITAAGyJgAxsloAMbJqADGyegAxsoQAAbLZADGzEQABszoAMXNmABJgLcoAMEOAMiYwowAxW0QAMv+P+AAgEMcAIAQAAAEwAivwgQADIVCE+gAy9nEPgCAiJxEQgAIlYBtAUxZQdEAAMIaAAf+GgACRMJaAAiCT1YBBJqWAQqv5bQAASwAyJjBogAI2GhEAQpFhRoAzJjdhzwABIGYAQyYYEMEAAjFiAQABMQEAASJEgDEwfQBBJ22Acmv5G4BBM4yAoTEGAAHxAAAQoRDdAAM3t68JAECpgECBABAOgDInmh6AAitAMYBQHoAxIBaAAQQ3ABE6FAAAPYASN5oVgAEhaZASN5g1AARwkAAEi4AACwAACpAABIAGJyAAAAxQCYAWbFAAMAARAQAiNzGWAEA4gBMmMGMCABEmMIAEAmAwsA9QIiBANgAAz4AC6/YqAEH4KgBBgPiAIRHwPIBAgQSbEEJcADKAh1fAUAAA7sAtgEABAANQjsAhgIABAANSrsAvgHdbQFAAAb8ALIBHXxBQAABgADyAR1AQYAAA0IA8gEdRIGAAAGDAOoBAAQAFMSDAMAFBAAEDAgACUUA5gEEFsQACUYA3gEdWQGAAALJAN4BAAQADUmJAO4BwAQADUJJAO4BxCQMAAlKAOYBAAQADUJKAOYBBCfIAAlLAOYBBDEIAAlMAOYBAAgADUJLAP4B5fTBgAAEzQDACQQADULNAO4BBDs0AAlOAO4BAAQADUKOAOoBHUDBwAADzwDKAiXFgcAABpEAwArEAA1AkQDyASbRwcAAAZIAwAwEAAE2AR1XAcAAAlMA8gEk3MHAAADVAMAOhAAl7EHAAATWAMAOxAAUxFYAwA8EAAQzSAAR1wDAD0QAFMRXAMAPhAAl+kHAAA4ZAMAPxAAVyFkAwBAEAAxBmQDbAMAEAAgJwiYBjQDAEawABAImAYRA/wCABAAk1kIAAAJeAMASRAAlGYIAAAIhAMASigHgwgAAAaIAwBLEACXpQgAAEyQAwBMEABbBpADAFEQABhT2AVDlAMAWBAAk/sIAAACnAMAWxAArB8JAAACyAMAvxfoBRvw6AUd7HAEH/DoBRIRGiIAL3l26AUUPAYPAegFH+zoBRIvCAHYBQIUCdgFA+AJGxnYBRNp2AUbCdgFGxnYBRMZ2AUTBtgFH2nYBTQDwA0EoAY9e2rQaAEQ0BABE3GIBQ/YBQYDQAAUGdgFA1gAGhnYBQiwABFIYAsvsP/gBQExe5qoGAAG6AUVB+gFAdgFEhnQBQb4BRVIOAYRMEAAAngLMwUABmABHTCAABcw4AsicZFAAFAWAcEAL3gBJYYIqAEXI+gBMVYGHgASBDAMEw/wAAgYDBP4GAwAQgAmv5MwAhNxQAYAmAEieaO4CC4PE0AAF9BAAAQ4ACN5p5gBD2gAGB8YaAAhA6gMQhUJoABAARVH+AYYCPAAE6hIABIIiAAmv4GoBw+QAAUfAJAAAQs4AAgwAB8IKAEoBtANAhAAP8YGFbgAIgSAAAXwAQ+4ABAfALgADBP0uAAXBDgAMWGh9DAAMy5hAXgBEXAIACJnBjAILw9nAAELL79zcAEFH9CIAAYf+EABAAZ4AQo4AE95p/j/QAARM3mp+EACElgYBSkHV2APBKgABFgAANAEHxDYAREUoZAPFcAYBgBTACJ5oigEMmMSLDAFEiHoAyJjEiAFEx84ATJ7erg4ACEHACwHInmh+AME0A4E+AEN6AEPmAAOApAAMx0ZAvAPAqgAJF2JABACeAAvv4NgACsUXWAAE6ZgACmGGAAFDAgBIgUAAAExJgYniQYNwAMPSAIFDAADEqGgBSoPYVACAbAFAwAGEXOgBRIaQAcAsg5UAQAADAYIBgJoARNjQAAzv4kAoAAaElgEHxiYAAwag5gAJr9jUAEYEKgCHqkoBQ9QAhEie2qoATEEBwDoDUhWB7v/wAAqYRNoAT8mAwpIDAoPQAwxH/BADCAQVagGH9hADI8bGUAMGxpADBsbQAwbHEAMGx1ADBseQAwbH0AMGyBADBshQAwbIkAMGyNADBskQAwbJkAMGydADBspQAwbKzAMGy4QABsvQAwbNEAMGzhADBs5QAwbOkAMGztADBs8QAwfPUAMDB9CQAwEBDAMG0hQDBdJIAAmBXgwDGaOCQAABnwwDARAABtNMAAXUDAAJhh8UAwEQAATUhAAZrgJAAAdgGAMk9wJAAAzDAIAVRAAlCYKAAAGJAIAWmAAiwoAAA4oAgBkEAATZxAAcawKAAAMLAIUBAgQABNyEAAQ4jAARFQCAHgAA4sLAAAZNAIAiRAAF4sQAFM/NAIAjBAAIHALyBM3AgCPEABbJDwCAKAQABehEABTBzwCAKMQAJe9CwAANEQCAKcQAFMDRAIAqxAAkwwMAAAOSAIAshAAcUAMAAAMTAIgBAggABu3IAAbuRAAG7rwABPCEACboQwAAAlkAgDEEAATyBAAEMwQAENsAgDJEACX2QwAABRoAgDKEABUD2gCAMtQBIMMAAAbYAIAzhAAkzcNAAAPdAIA1RAAlJENAAAMhAIA1/AAhA0AABaIAgDhoAIAIABEkAIA42ADgw4AABeUAgDoEACTQQ4AAAyYAgDqEACUUQ4AAAWcAgDrYAODDgAAB7gCAPAQAJSEDgAACsACAPNQA4sOAAAixAIA9SAAF/YgAFMHxAIA+BAAk/IOAAAOyAIA+hAAlxEPAAAg0AIA+xAAYh7QAgADARAAmzkPAAANpAIACRAAEwwQAJtrDwAAC6wCAA4QABMREACXmQ8AABBwAgASEABqAnACABMBwA8qFgHADyoXAcAPKhgBsA8bHBAAKh4BwA8qIwHADxMmEAAQwoAAJeADhAYAPAcIsAYin+vUFgABACJACAQAJU8QHwAjAgNIDwAHABIENA8E8gYBVQAAuAYDaw4BzBcHKAAFRAAWBgwACTQAAwMJARMAAPwHA/sIEAgjBx8fTAAEAPgGEixAABAEuAAAyBETDB0AEzu0DwAsBSJBAFAIMWAAACINAAwAF4BIABYNDAAQChAQE0xwABIBLAAjAVGMAAQHCABwAACIABZXEAEjAFz0AAGcBQAUCANkABBsVQAAJxQDLA8AcxAXEDgAAIAAHxMUAQQXGyQAHxU4AQUBcgABEAAjBBCUABcSlAATFCIAE3h8ABsWfAAfGVgABAeoARACiAAwfwAASAgyBEgh2AgTHh0AF41QARORDAAToOwIEwj4ABOZjAEX4IwBAIUABIwBECDUGAMMADFAAQBABQGwASEBADwFAWAARAEAAK9gAEMBAAC2GAIiwAH4AQCQAVNAAgAAu6wBAHQIE8HIARUIJgEG6AATHOgAGwIYABMOGAAfEBgABAGNCAsEAhcYcAEfAQQCBBMaDAET1IgBGyGIAQC0CBLcbQAQBEAAAMQEEyUdAACwBBMnWAAx/QAAsAgAWAASAqAKIwQCiAATJjAAEg5ZABMBpxE5AB0BCAE/ASIBGAEHGygAAgArGwBIACIwAVwREjR0AC8MKiAABCJ0AyAAHywgAAQAxQMAIAAXLvwAAJAVIhwF/AAfGPwACBOZDAAfgFwAAABKDiI1BVwAHzIgAAQiOgkgAACwCSZACjQDU0wKAAA3NAAiTwqcEwcYAScCOQwAAIwJE4g8AAAAAjGSCgDQCQABABOXDAATgIwEBGAAIpsKkAQBZAUhCgDgCQhgABdDDAAAvAkiTAvYAQCgATFZCwBQFgcBABACUBYmXQtgAENlCwAA8xIyAG0LXAAIYAAXQQwAACwKE/pgAAA8ACb/C8AAJm8MeAAieAyoAAABAADnFAScAVOHDAAARRgAJpIMzAAA5AAbQ1gFE0TwAAQ8ACZhDVQAImoNAAQAPAAxcQ0AhAoAPAAmeQ2EACJ+DbANCPwAF0msBQD4FimDDawFBSgAF14oABZNDAAQCSQAItwPJwMTTIQDG+cQABvyEAAESAAXUkgAANQKEv0oACAIVHEAGRCIACIECBAAIw5RRAAbFBAAEyEQABocZAAJbAQABAATJigAE1goACEuEAgAIw8I9AMTAPgAITMQPQAQD5wLAzcWARQFExcIAABHAAA4DRMwEAAhORCwBhAPbAAWTtgGJwBPfAATUFwAAAwAE1VcBwCEABJWDAYBDAATQZAAACQAF1lIABJJuAAC2hzwGGludABfX0FSUkFZX1NJWkVfVFlQRV9fAF9fdTMyAHVuc2lnbmVkICcA80JvcGVuX2FyZ3MAcGF0aABkaXJmZABmbGFncwBtb2RlAGNoYXIAX19zMzIAdHlwZQBtYXhfZW50cmllcwBrZXkAdmFsdWUAY2FsbHMAZXZlbnQHAAETAPAEZXJzAHBpZAB0aWQAdWlkAHJldGIA8AtlY3RvcnkAY3V0AGVuZAB1bnVzZWQAY29tbaIAJjY0ogBBbG9uZwUA8QAAc2NyYXRjaAB0cmFjZV9jAIBfcmF3X3N5c5AAMGVyAHUAMWlkAMwAAyYARm50cnlNAGFzaG9ydABOAAlhAFEAY3R4AEQAEF8OAQI9AJFwb2ludC9zeXPbABUvZwACIwCAMDoyOjAALi8NAPEFc25vb3AuYnBmLmMACXJldHVybiArAPADKEFUX0ZEQ1dELCAoY29uc3QgTQGAICopY3R4LT6oAFZbMF0sIA4AGTEOAEEyXSk7aQARMQYAMTIACR0B8AMgaWQgPSBicGZfZ2V0X2N1cnILAbFwaWRfdGdpZCgpOygAQTMyIHQpAMVpZDsACXN0cnVjdCDsAREgBQBQPSB7IC72ATAgPSAHADEsIC7/ATEgPSAIADEsIC4JAjEgPSAIADAsIC4TAjEgPSAHALB9OwAJaWYgKHRhcooAd3BpZCAmJiAOAEEhPSAoiwDJKShpZCA+PiAzMikpNAAZdDQAGXQ0ACppZCwAEnUeADMweGYBAAc6ABl1OgAMHAFBdWlkXxsBA1EAACAA8QJtYXBfdXBkYXRlX2VsZW0oJucBkCwgJnRpZCwgJiABkCwgQlBGX0FOWTgA9xEJX19zeW5jX2ZldGNoX2FuZF9hZGQoJmxvc3QsIDEpO0ACL2F0QgIQK2F0LAIKFAIPMAIFDCICCA4AFDMwAhkzjQAfMo4AEhAyNAQZIBIAEyg2Ag9yAwZqICpjdHgpXgJAaG93IAQAMD0geyACAGsB9RJwcm9iZV9yZWFkX3VzZXIoJmhvdywgc2l6ZW9mKGhvdynvAEl2b2lk7wABAwMPKAElQ2hvdy64AgALAAC0Ai8pO0AEA0B4aXQABQBHX2FueS8BAhQBAxgADw8BCjR4aXQOAQh9Aw+mAwfvLCB6ZXJvID0gMCwgZW6kAwITKqUDBK8Cbmxvb2t1cK8CEymIAxAhMAAQKQICATMBIiA9HAIzcmV0IQCwZmFpbGVkX29ubHk8AwAkAI8+PSAwKQAJZWcABQN2BTAsICavAAVqABBlNAA/LT5w5QAMAvQDETssAAIRARF0jwRPZS0+dTsAAgWqAwIlAALGAALBADRlLT6NBADoAAMOAAIZAAOWBAIYAAANAAIXAAVqBgBnAQONAghuAABxBkAoZS0+CAAFkQIDEAAUKewAIHdhKgACzAYxKSB7CgQAhgWEc3RhY2tbM13qAgVeAAEZAACnAhIsJAAFWgABDgASKVYEwEZfVVNFUl9TVEFDS2oAAK8AA2UAIFswVAACXwArMV0cABYxHAAQMhwAE25FAQtkA0Bfc3RyygAC1gVBUEFUSAcIEywjAQAXAATgANZuIDw9IDAgfHwgbiA+KwAC6wADQwACkwASMFYBIGVuugEQbg0AAQoAsioodm9sYXRpbGUg+wIyKikmJwADYgAAJwAXPl8BAX4AB4sF8gFyaW5nYnVmX291dHB1dCgmRgjxBiwgZSwgX19idWlsdGluX29mZnNldEYBAScDASUAESy3BjApICtDAzAsIDBWAATHAk9kZWxl3QUBB1EEUmxlYXZlqgFAZmFscx4EAe0DBqIIHz8MBAEFHwAPEgQVBUcCBpECNyYmIFwBYCE9ICcvJ2YGZ2FwcGVuZGMAFGW0AQGSBxYpKARTdGFza18MABAqDQBPID0gKBwAAQ0PBwAeABQo/wED8QckPSCsCAD5AQdAAPAIAGZzAGZpbGVzADA6MAAJCXZmc21vdW6YAwDIAqBDT1JFX1JFQUQoNAD0AywgZnMsIHB3ZC5tbnQpOwBmc0YA4nJvb3QAcHdkAG1udABkmAkxMDoxUwACDwAPUQAMAiUAAeEGMzE6MYcEAzoARHx8ICGYAAAABTQxAAkmAQC7ADEgKirCAA9iAAUAHABQLCBmZHQFADEpLCAuAIIgPSBOVUxMO/0ABQ0BEWQEADJhYmwJC4dmZHMAZmQACUsBEjxNAwOLCAIUAB8+egAPA04AAWsIC9EDgGtlcm5lbCgmLwAFTQQADQATKUMANCArIB4CABAAMQBmX8sLLzA6swEMAlEAAi4AA7IBADQAHzGUAQcJMgAFkwEEYQAA3QERX+oBBg8AIHBhdAIBCwABFQACTAMQCSYADV4ABEgAJCwgSQADCAYgY3UtAB4x1gUFaAQE4QATKEMIBfQAES0fBaNjb3JlX2ZpZWxkSQQEKgMGcAABhgUCwQQP2AQPFGTYALBkX25hbWUAZF9pbi0NUXFzdHIAEgAFYQwBQA0iCQkwAA3zAAJEASQsIFEAAYYAAU0CA4EBIT0gKwE2fHwgEgADKwABogVtCWFib3ZlWAAHSAEHWQAIWgAWIVoAA0MAEj0OAQNYAAZ4AREwOwBkCWJyZWFrnwAC1AUFLgayICsgRElSRUNUT1JxDgDHAgAIAQ/xAAgAHwAQLgUAAZsAD8kGAAL4AgHLBhQmLQWjZW5kXSwgTkFNRdEGBUEADswGBSYAAI0AD84BBwBHAkFuZCAr0wYP+gIGB1EBBsgCAlUBD8wCAgYwABguzQJhZm9yIChpVQFHIGkgPDYBoURFUFRIOyBpKyuBAQ6jBjF0cnXACgVgDRYANw0WAAgNgABib29sAF9CBgAH8QkYAMgIEAC3DPAbAExJQ0VOU0UALmJzcwAubWFwcwAucm9kYXRhAGxpY2Vuc2UAaW5vZGUA";
