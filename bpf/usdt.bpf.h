/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Arguments of USDT probes.
 *
 * A probe is one instruction in a program. The kernel runs us there with the registers; where the arguments are at that
 * moment, in which register or at what distance from one, stands in notes in the program's file. attachUsdt() of
 * lib/links/usdt.ts reads them and writes what they say into the maps below.
 *
 *	SEC("usdt/libpython3.11.so.1.0:python:gc__start")
 *	int gc_start(void *ctx)
 *	{
 *		long generation;
 *
 *		if (usdt_arg(ctx, 0, &generation) == 0)
 *			...
 *
 * Registers are read by their distance from the start of struct pt_regs, so one object serves all architectures.
 * To be included behind the kernel's types.
 */
#ifndef DETRACE_USDT_BPF_H
#define DETRACE_USDT_BPF_H

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* How many different specs there may be at a time, plus one. */
#ifndef USDT_MAX_SPECS
#define USDT_MAX_SPECS 256
#endif
#define USDT_MAX_ARGS 12 /* of one probe: as many as the macros of <sys/sdt.h> take */

enum {
	USDT_BASE = 1, /* add the register at base */
	USDT_INDEX = 2, /* add the register at index, shifted left */
	USDT_MEMORY = 4, /* the sum is the address of the value, not the value */
	USDT_SIGNED = 8,
};

/* Where an argument is. */
struct usdt_argument {
	__u64 add;
	__u16 base; /* bytes from the start of struct pt_regs */
	__u16 index;
	__u8 shift;
	__u8 size; /* bytes; 0: out of our reach */
	__u8 flags;
	__u8 unused;
};

/* Where all arguments are at one or more places of a probe, and what whoever attached us wants to tell us. */
struct usdt_spec {
	__u64 cookie;
	__u32 count;
	__u32 unused;
	struct usdt_argument args[USDT_MAX_ARGS];
};

/* Specs by their numbers, from 1. The number is the place's BPF cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USDT_MAX_SPECS);
	__type(key, __u32);
	__type(value, struct usdt_spec);
} usdt_specs SEC(".maps");

/*
 * Numbers of specs where the kernel has no cookies (before 5.15), by the last 12 bits of the place's address: those are
 * the same in all processes, because files are mapped by whole pages.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u32);
} usdt_places SEC(".maps");

enum bpf_func_id___usdt {
	BPF_FUNC_get_attach_cookie___usdt = 174,
};

struct pt_regs___x86 {
	unsigned long ip;
} __attribute__((preserve_access_index));

struct pt_regs___arm64 {
	__u64 pc;
} __attribute__((preserve_access_index));

static __always_inline struct usdt_spec *usdt_spec(void *ctx)
{
	__u32 id;

	if (bpf_core_enum_value_exists(enum bpf_func_id___usdt, BPF_FUNC_get_attach_cookie___usdt)) {
		id = bpf_get_attach_cookie(ctx);
	} else {
		__u32 *found;
		__u64 ip;

		/* The barriers keep the compiler from making one access of the two: the verifier wants a constant offset. */
		if (bpf_core_field_exists(((struct pt_regs___x86 *)0)->ip)) {
			ip = ((struct pt_regs___x86 *)ctx)->ip;
			barrier_var(ip);
		} else {
			ip = ((struct pt_regs___arm64 *)ctx)->pc;
			barrier_var(ip);
		}
		id = ip & 4095;
		found = bpf_map_lookup_elem(&usdt_places, &id);
		if (!found)
			return NULL;
		id = *found;
	}
	return bpf_map_lookup_elem(&usdt_specs, &id);
}

/* How many arguments the probe has. */
static __always_inline __u32 usdt_arg_count(void *ctx)
{
	struct usdt_spec *spec = usdt_spec(ctx);

	return spec ? spec->count : 0;
}

/* The cookie that the probe was attached with. */
static __always_inline __u64 usdt_cookie(void *ctx)
{
	struct usdt_spec *spec = usdt_spec(ctx);

	return spec ? spec->cookie : 0;
}

/*
 * Reads an argument of 64 bits or less, the first one being 0. Floating-point numbers in memory come as their bits.
 *
 * Returns 0; -2 (ENOENT) if there is no such argument, -95 (EOPNOTSUPP) if it is where we cannot read it, -14 (EFAULT) if
 * the memory it is in is not there. The value is 0 then.
 */
static __noinline __attribute__((unused)) int usdt_arg(void *ctx, __u64 n, long *value)
{
	struct usdt_spec *spec = usdt_spec(ctx);
	struct usdt_argument *arg;
	__u64 sum, reg = 0, size;
	long err;

	*value = 0;
	if (!spec || n >= USDT_MAX_ARGS)
		return -2;
	barrier_var(n); /* so that the verifier sees the bound on what is used below */
	if (n >= spec->count)
		return -2;
	arg = &spec->args[n];
	size = arg->size;
	barrier_var(size);
	if (size == 0 || size > 8)
		return -95;

	sum = arg->add;
	if (arg->flags & USDT_BASE) {
		err = bpf_probe_read_kernel(&reg, sizeof(reg), ctx + arg->base);
		if (err)
			return err;
		sum += reg;
	}
	if (arg->flags & USDT_INDEX) {
		err = bpf_probe_read_kernel(&reg, sizeof(reg), ctx + arg->index);
		if (err)
			return err;
		sum += reg << (arg->shift & 63);
	}
	if (arg->flags & USDT_MEMORY) {
		reg = 0;
		err = bpf_probe_read_user(&reg, size, (void *)sum);
		if (err)
			return err;
		sum = reg;
	}
	sum <<= 64 - size * 8;
	*value = arg->flags & USDT_SIGNED ? (long)sum >> (64 - size * 8) : (long)(sum >> (64 - size * 8));
	return 0;
}

#endif
