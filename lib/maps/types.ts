/**
 * The numbers of map types and map flags, spelled as the kernel spells them (include/uapi/linux/bpf.h).
 *
 * @module
 */

/** Hash table. */
export const BPF_MAP_TYPE_HASH = 1;
/** Array with u32 keys; all entries exist from the start. */
export const BPF_MAP_TYPE_ARRAY = 2;
/** Programs, for tail calls. */
export const BPF_MAP_TYPE_PROG_ARRAY = 3;
/** Perf events, a slot for each processor. */
export const BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4;
/** Hash table with a value for each processor. */
export const BPF_MAP_TYPE_PERCPU_HASH = 5;
/** Array with a value for each processor. */
export const BPF_MAP_TYPE_PERCPU_ARRAY = 6;
/** Stacks by the id that bpf_get_stackid returned. */
export const BPF_MAP_TYPE_STACK_TRACE = 7;
/** Control groups. */
export const BPF_MAP_TYPE_CGROUP_ARRAY = 8;
/** Hash table that drops what was used least recently. */
export const BPF_MAP_TYPE_LRU_HASH = 9;
/** The same with a value for each processor. */
export const BPF_MAP_TYPE_LRU_PERCPU_HASH = 10;
/** Longest prefix match. */
export const BPF_MAP_TYPE_LPM_TRIE = 11;
/** Array of maps. */
export const BPF_MAP_TYPE_ARRAY_OF_MAPS = 12;
/** Hash table of maps. */
export const BPF_MAP_TYPE_HASH_OF_MAPS = 13;
/** Network devices by index. */
export const BPF_MAP_TYPE_DEVMAP = 14;
/** Sockets by index. */
export const BPF_MAP_TYPE_SOCKMAP = 15;
/** Processors that packets are sent to. */
export const BPF_MAP_TYPE_CPUMAP = 16;
/** AF_XDP sockets. */
export const BPF_MAP_TYPE_XSKMAP = 17;
/** Sockets by key. */
export const BPF_MAP_TYPE_SOCKHASH = 18;
/** Storage of a cgroup and program (deprecated). */
export const BPF_MAP_TYPE_CGROUP_STORAGE = 19;
/** Sockets of a reuseport group. */
export const BPF_MAP_TYPE_REUSEPORT_SOCKARRAY = 20;
/** Storage of a cgroup and program, a value for each processor (deprecated). */
export const BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE = 21;
/** First in, first out; no keys. */
export const BPF_MAP_TYPE_QUEUE = 22;
/** Last in, first out; no keys. */
export const BPF_MAP_TYPE_STACK = 23;
/** Storage of a socket. */
export const BPF_MAP_TYPE_SK_STORAGE = 24;
/** Network devices by key. */
export const BPF_MAP_TYPE_DEVMAP_HASH = 25;
/** Programs that implement a struct of kernel functions. */
export const BPF_MAP_TYPE_STRUCT_OPS = 26;
/** Ring buffer from programs to user space; maxEntries is its size in bytes. */
export const BPF_MAP_TYPE_RINGBUF = 27;
/** Storage of an inode. */
export const BPF_MAP_TYPE_INODE_STORAGE = 28;
/** Storage of a task. */
export const BPF_MAP_TYPE_TASK_STORAGE = 29;
/** Bloom filter; no keys. */
export const BPF_MAP_TYPE_BLOOM_FILTER = 30;
/** Ring buffer from user space to programs. */
export const BPF_MAP_TYPE_USER_RINGBUF = 31;
/** Storage of a cgroup. */
export const BPF_MAP_TYPE_CGRP_STORAGE = 32;
/** Memory shared with user space; maxEntries is its size in pages. */
export const BPF_MAP_TYPE_ARENA = 33;
/** Instructions that indirect jumps go to (6.19). */
export const BPF_MAP_TYPE_INSN_ARRAY = 34;
/** Hash table that grows with its entries (7.2); not for tracing programs. */
export const BPF_MAP_TYPE_RHASH = 35;

/** Update flag: make the entry, or change it. */
export const BPF_ANY = 0;
/** Update flag: make the entry; `EEXIST` if it is there. */
export const BPF_NOEXIST = 1;
/** Update flag: change the entry; `ENOENT` if it is not there. */
export const BPF_EXIST = 2;
/** Lookup and update flag: hold the value's bpf_spin_lock meanwhile. */
export const BPF_F_LOCK = 4;

/** Map flag: do not allocate all entries at the start. */
export const BPF_F_NO_PREALLOC = 1 << 0;
/** Map flag: an LRU list for each processor. */
export const BPF_F_NO_COMMON_LRU = 1 << 1;
/** Map flag: memory of one NUMA node. */
export const BPF_F_NUMA_NODE = 1 << 2;
/** Map flag: user space may only read. */
export const BPF_F_RDONLY = 1 << 3;
/** Map flag: user space may only write. */
export const BPF_F_WRONLY = 1 << 4;
/** Map flag: stacks as build id and offset. */
export const BPF_F_STACK_BUILD_ID = 1 << 5;
/** Map flag: hash with the seed 0, for tests. */
export const BPF_F_ZERO_SEED = 1 << 6;
/** Map flag: programs may only read. */
export const BPF_F_RDONLY_PROG = 1 << 7;
/** Map flag: programs may only write. */
export const BPF_F_WRONLY_PROG = 1 << 8;
/** Map flag: socket storage goes on to accepted sockets. */
export const BPF_F_CLONE = 1 << 9;
/** Map flag: an array that user space may map into memory. */
export const BPF_F_MMAPABLE = 1 << 10;
/** Map flag: perf events stay when the descriptor that put them in is closed. */
export const BPF_F_PRESERVE_ELEMS = 1 << 11;
/** Map flag: inner arrays may differ in length. */
export const BPF_F_INNER_MAP = 1 << 12;
/** Map flag: struct_ops that are attached by a link. */
export const BPF_F_LINK = 1 << 13;
/** Object flag: a path relative to a descriptor. */
export const BPF_F_PATH_FD = 1 << 14;
/** Map flag: the BTF of struct_ops is a module's. */
export const BPF_F_VTYPE_BTF_OBJ_FD = 1 << 15;
/** Map flag: permission comes from a BPF token. */
export const BPF_F_TOKEN_FD = 1 << 16;
/** Map flag: touching a missing page of an arena is a fault. */
export const BPF_F_SEGV_ON_FAULT = 1 << 17;
/** Map flag: pointers in an arena stay as the kernel has them. */
export const BPF_F_NO_USER_CONV = 1 << 18;
/** Map flag: a full ring buffer drops its oldest records (6.19). RingBuffer does not read such rings. */
export const BPF_F_RB_OVERWRITE = 1 << 19;
