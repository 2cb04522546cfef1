/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * opensnoop: open(2), openat(2) and openat2(2) with their results.
 *
 * The arguments are kept at entry and the event is built at exit: by then the path is in memory, so that reading it cannot
 * fail for want of a page. Records have the length that the path needs, so the ring holds tens of thousands of them.
 */
#include "kernel.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define AT_FDCWD -100
#define NAME_SIZE 256 /* NAME_MAX and its NUL */
#define PATH_SIZE 4096 /* PATH_MAX */
#define DIRECTORY_DEPTH 64
#define DIRECTORY_SIZE 4096

struct event {
	__u64 callers[2]; /* return addresses: the caller of the system call's wrapper, and its caller */
	__u32 pid;
	__u32 tid;
	__u32 uid;
	__s32 ret;
	__u32 flags;
	__u32 mode;
	__u32 directory; /* where in path the directory's names begin, innermost first, each with a NUL; 0: none asked for */
	__u32 cut; /* the directory has more names than there is room for */
	__u32 end; /* bytes of path that are in use */
	__u32 unused;
	char comm[16];
	char path[PATH_SIZE + DIRECTORY_SIZE + NAME_SIZE]; /* only as long as it needs to be */
};

struct open_args {
	const char *path;
	__s32 dirfd;
	__u32 flags;
	__u32 mode;
};

/* struct open_how, include/uapi/linux/openat2.h */
struct open_how {
	__u64 flags;
	__u64 mode;
	__u64 resolve;
};

/* Set before loading; the verifier drops what is switched off. */
const volatile __u32 target_pid = 0;
const volatile __u32 target_tid = 0;
const volatile __u32 target_uid = 0xffffffff;
const volatile bool failed_only = false;
const volatile bool want_callers = false;
const volatile bool want_directory = false;

/* Events that found no room, in the ring or among the open calls. */
__u64 lost = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, struct open_args);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event);
} scratch SEC(".maps");

static __always_inline bool wanted(__u64 id)
{
	if (target_pid && target_pid != (__u32)(id >> 32))
		return false;
	if (target_tid && target_tid != (__u32)id)
		return false;
	if (target_uid != 0xffffffff && target_uid != (__u32)bpf_get_current_uid_gid())
		return false;
	return true;
}

static __noinline int enter(int dirfd, const char *path, __u32 flags, __u32 mode)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tid = id;
	struct open_args args = { .path = path, .dirfd = dirfd, .flags = flags, .mode = mode };

	if (!wanted(id))
		return 0;
	if (bpf_map_update_elem(&calls, &tid, &args, BPF_ANY))
		__sync_fetch_and_add(&lost, 1);
	return 0;
}

static __noinline int enter_how(int dirfd, const char *path, const void *from)
{
	struct open_how how = {};

	bpf_probe_read_user(&how, sizeof(how), from);
	return enter(dirfd, path, how.flags, how.mode);
}

SEC("tracepoint/syscalls/sys_enter_open")
int enter_open(struct syscall_enter *ctx)
{
	return enter(AT_FDCWD, (const char *)ctx->args[0], ctx->args[1], ctx->args[2]);
}

SEC("tracepoint/syscalls/sys_enter_openat")
int enter_openat(struct syscall_enter *ctx)
{
	return enter(ctx->args[0], (const char *)ctx->args[1], ctx->args[2], ctx->args[3]);
}

SEC("tracepoint/syscalls/sys_enter_openat2")
int enter_openat2(struct syscall_enter *ctx)
{
	return enter_how(ctx->args[0], (const char *)ctx->args[1], (const void *)ctx->args[2]);
}

/* The same where the record is laid out otherwise. */
SEC("?tracepoint/syscalls/sys_enter_open")
int relocated_enter_open(struct trace_event_raw_sys_enter *ctx)
{
	return enter(AT_FDCWD, (const char *)ctx->args[0], ctx->args[1], ctx->args[2]);
}

SEC("?tracepoint/syscalls/sys_enter_openat")
int relocated_enter_openat(struct trace_event_raw_sys_enter *ctx)
{
	return enter(ctx->args[0], (const char *)ctx->args[1], ctx->args[2], ctx->args[3]);
}

SEC("?tracepoint/syscalls/sys_enter_openat2")
int relocated_enter_openat2(struct trace_event_raw_sys_enter *ctx)
{
	return enter_how(ctx->args[0], (const char *)ctx->args[1], (const void *)ctx->args[2]);
}

/*
 * Appends the names of the directory that a relative path starts from, up to the root, across mount points.
 *
 * How far the path reaches is kept in e->end and read anew in every round: the verifier knows nothing of a value from
 * memory, so the rounds look alike to it, however they came about. As a variable it would be followed through every
 * mixture of names and mount points, which are too many.
 */
static __always_inline void append_directory(struct event *e, int dirfd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct dentry *dentry, *root, *parent;
	struct mount *mount, *above;
	struct vfsmount *vfsmount;
	int i;

	if (dirfd == AT_FDCWD) {
		vfsmount = BPF_CORE_READ(task, fs, pwd.mnt);
		dentry = BPF_CORE_READ(task, fs, pwd.dentry);
	} else {
		struct file **files = BPF_CORE_READ(task, files, fdt, fd), *file = NULL;

		if (dirfd < 0 || (__u32)dirfd >= BPF_CORE_READ(task, files, fdt, max_fds))
			return;
		bpf_probe_read_kernel(&file, sizeof(file), files + dirfd);
		vfsmount = BPF_CORE_READ(file, f_path.mnt);
		dentry = BPF_CORE_READ(file, f_path.dentry);
	}
	if (!dentry || !vfsmount)
		return;

	mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
	root = BPF_CORE_READ(vfsmount, mnt_root);
	e->directory = e->end;
	e->cut = 1;
	for (i = 0; i < DIRECTORY_DEPTH; i++) {
		__u32 end = *(volatile __u32 *)&e->end;
		const unsigned char *name;
		long n;

		parent = BPF_CORE_READ(dentry, d_parent);
		if (dentry == root || dentry == parent) {
			/* At the top of a mount: go on where it is mounted, or stop at the topmost. */
			above = BPF_CORE_READ(mount, mnt_parent);
			if (dentry != root || above == mount) {
				e->cut = 0;
				break;
			}
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = above;
			root = BPF_CORE_READ(mount, mnt.mnt_root);
			continue;
		}
		if (end > PATH_SIZE + DIRECTORY_SIZE)
			break;
		name = BPF_CORE_READ(dentry, d_name.name);
		n = bpf_probe_read_kernel_str(&e->path[end], NAME_SIZE, name);
		if (n <= 0 || n > NAME_SIZE)
			break;
		*(volatile __u32 *)&e->end = end + n;
		dentry = parent;
	}
}

static __always_inline int leave(void *ctx, long ret, bool directory)
{
	__u32 tid = bpf_get_current_pid_tgid(), zero = 0, end;
	struct open_args *args = bpf_map_lookup_elem(&calls, &tid);
	struct event *e;
	long n;

	if (!args)
		return 0;
	if (failed_only && ret >= 0)
		goto out;
	e = bpf_map_lookup_elem(&scratch, &zero);
	if (!e)
		goto out;

	e->pid = bpf_get_current_pid_tgid() >> 32;
	e->tid = tid;
	e->uid = bpf_get_current_uid_gid();
	e->ret = ret;
	e->flags = args->flags;
	e->mode = args->mode;
	e->directory = 0;
	e->cut = 0;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	if (want_callers) {
		__u64 stack[3] = {};

		bpf_get_stack(ctx, stack, sizeof(stack), BPF_F_USER_STACK);
		e->callers[0] = stack[1];
		e->callers[1] = stack[2];
	}
	n = bpf_probe_read_user_str(e->path, PATH_SIZE, args->path);
	if (n <= 0 || n > PATH_SIZE) {
		e->path[0] = 0;
		n = 1;
	}
	e->end = n;
	if (directory && e->path[0] != '/')
		append_directory(e, args->dirfd);
	end = *(volatile __u32 *)&e->end;
	if (end > sizeof(e->path))
		goto out;
	if (bpf_ringbuf_output(&events, e, __builtin_offsetof(struct event, path) + end, 0))
		__sync_fetch_and_add(&lost, 1);
out:
	bpf_map_delete_elem(&calls, &tid);
	return 0;
}

/*
 * One of these is attached to the exit of each of the three calls that the kernel has: the context is the same. Who does
 * not ask for directories needs nothing relocated, and so no kernel BTF, and has less to verify.
 */
SEC("tracepoint")
int leave_any(struct syscall_exit *ctx)
{
	return leave(ctx, ctx->ret, false);
}

SEC("?tracepoint")
int relocated_leave_any(struct trace_event_raw_sys_exit *ctx)
{
	return leave(ctx, ctx->ret, want_directory);
}

char LICENSE[] SEC("license") = "GPL";
