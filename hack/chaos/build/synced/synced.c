/*
 * Preloaded into Redis, it writes down what a disk would still have after a power cut: of every file the length that
 * was there when a sync of it began, once that sync has succeeded. A record is inode and length; the last one of an
 * inode counts. The notes are a file that is only ever appended to, and so survive a SIGKILL of whoever wrote them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct record { uint64_t inode, length; };

/* The notes are opened once: Redis closes no descriptor that it does not know, and its children inherit this one. */
static int notes = -1;

__attribute__((constructor)) static void open_notes(void)
{
	const char *path = getenv("SYNCED_NOTES");

	if (path != NULL)
		notes = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int note(int (*sync)(int), int fd)
{
	struct stat before;
	int known = fstat(fd, &before) == 0 && S_ISREG(before.st_mode);
	int result = sync(fd);

	if (result == 0 && known) {
		struct record r = { before.st_ino, (uint64_t)before.st_size };

		if (notes < 0 || write(notes, &r, sizeof r) != sizeof r)
			abort(); /* what is not noted down would be taken away although it was synced */
	}
	return result;
}

int fsync(int fd)
{
	static int (*real)(int);

	if (real == NULL)
		real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
	return note(real, fd);
}

int fdatasync(int fd)
{
	static int (*real)(int);

	if (real == NULL)
		real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
	return note(real, fd);
}
