// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * memory.c - large blocks of a daemon are reused by the next daemon, as a fresh mapping costs a
 * fault for each page
 *
 * A daemon's tables are megabytes, and a run touches some pages of them. The linker leads calloc(),
 * free(), mmap(), munmap() and madvise() of the linked code here (meson.build: --wrap). Only pages
 * that were touched, by the word of the kernel (mincore), are zeroed.
 */
#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE_BYTES	(128 << 10)
#define BLOCKS_MAX	256
#define PAGE		4096
#define PAGES_MAX	(16 << 10)
/* pages of a block; more go back to the kernel, or later runs would have to zero them, too */
#define FEW_PAGES	50

void *__real_calloc(size_t count, size_t bytes);
void __real_free(void *memory);
void *__real_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *memory, size_t bytes);
int __real_madvise(void *memory, size_t bytes, int advice);
void *__wrap_calloc(size_t count, size_t bytes);
void __wrap_free(void *memory);
void *__wrap_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *memory, size_t bytes);
int __wrap_madvise(void *memory, size_t bytes, int advice);

static struct block {
	char	*memory;
	size_t	bytes;
	int	is_used;
} blocks[BLOCKS_MAX];
static unsigned int block_count;

static struct block *block_of(const void *memory)
{
	for (unsigned int i = 0; i < block_count; i++)
		if (blocks[i].memory == memory)
			return &blocks[i];
	return NULL;
}

static unsigned char is_there[PAGES_MAX];

/* Return: the next touched page, from @i on; @pages: none */
static size_t touched(size_t i, size_t pages)
{
	unsigned long eight;

	for (; i < pages; i++) {
		if (!(i % 8) && i + 8 <= pages) {
			memcpy(&eight, is_there + i, 8);
			if (!eight) {
				i += 7;
				continue;
			}
		}
		if (is_there[i])
			return i;
	}
	return pages;
}

static void zero(char *memory, size_t bytes)
{
	size_t pages = (bytes + PAGE - 1) / PAGE, there = 0;

	assert(pages <= PAGES_MAX);
	if (mincore(memory, bytes, is_there))
		assert(0);
	for (size_t i = touched(0, pages); i < pages && there <= FEW_PAGES;
	     i = touched(i + 1, pages))
		there++;
	if (there > FEW_PAGES) {
		__real_madvise(memory, bytes, MADV_DONTNEED);
		return;
	}
	for (size_t i = touched(0, pages), end; i < pages; i = touched(end, pages)) {
		for (end = i + 1; end < pages && is_there[end]; end++)
			;
		memset(memory + i * PAGE, 0, (end - i) * PAGE);
	}
}

/* Memory is zeroed. */
static void *take(size_t bytes)
{
	bytes = (bytes + PAGE - 1) / PAGE * PAGE;
	for (unsigned int i = 0; i < block_count; i++) {
		if (!blocks[i].is_used && blocks[i].bytes == bytes) {
			blocks[i].is_used = 1;
			return blocks[i].memory;
		}
	}
	assert(block_count < BLOCKS_MAX);
	blocks[block_count] = (struct block){ .bytes = bytes, .is_used = 1,
		.memory = __real_mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) };
	assert(blocks[block_count].memory != MAP_FAILED);
	return blocks[block_count++].memory;
}

static void give_back(struct block *b)
{
	zero(b->memory, b->bytes);
	b->is_used = 0;
}

void *__wrap_calloc(size_t count, size_t bytes)
{
	return count * bytes >= LARGE_BYTES ? take(count * bytes) : __real_calloc(count, bytes);
}

void __wrap_free(void *memory)
{
	struct block *b = memory && !((size_t)memory % PAGE) ? block_of(memory) : NULL;

	if (b)
		give_back(b);
	else
		__real_free(memory);
}

void *__wrap_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	return flags & MAP_32BIT || fd >= 0 ? __real_mmap(at, bytes, prot, flags, fd, offset) :
	       take(bytes);
}

int __wrap_munmap(void *memory, size_t bytes)
{
	struct block *b = block_of(memory);

	if (!b)
		return __real_munmap(memory, bytes);
	give_back(b);
	return 0;
}

int __wrap_madvise(void *memory, size_t bytes, int advice)
{
	if (advice != MADV_DONTNEED)
		return __real_madvise(memory, bytes, advice);
	zero(memory, bytes);
	return 0;
}
