/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* message.h - DNS messages for tests, byte by byte. */
#ifndef SP_TESTS_NAMES_MESSAGE_H
#define SP_TESTS_NAMES_MESSAGE_H

#include <stdint.h>
#include <string.h>

struct made_message {
	size_t	size;
	uint8_t	bytes[65535];
};

static void put_u16(struct made_message *m, unsigned int value)
{
	m->bytes[m->size++] = value >> 8;
	m->bytes[m->size++] = value;
}

static void put_u32(struct made_message *m, uint32_t value)
{
	put_u16(m, value >> 16);
	put_u16(m, value & 0xffff);
}

/* "a.b" as two labels and the root; "" is the root. */
static void put_name(struct made_message *m, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, ".");

		m->bytes[m->size++] = len;
		memcpy(m->bytes + m->size, text, len);
		m->size += len;
		text += len + (text[len] == '.');
	}
	m->bytes[m->size++] = 0;
}

/* A header, and a question of @name; no answers so far. */
static void begin_message(struct made_message *m, const char *name, unsigned int type)
{
	m->size = 0;
	put_u16(m, 0x1234);
	put_u16(m, 0x8180);
	put_u16(m, 1);
	put_u16(m, 0);
	put_u16(m, 0);
	put_u16(m, 0);
	put_name(m, name);
	put_u16(m, type);
	put_u16(m, 1);
}

/* The owner's name, and all up to the data of @len bytes. */
static void put_head(struct made_message *m, const char *owner, unsigned int type, uint32_t ttl_s,
		     size_t len)
{
	unsigned int count = m->bytes[6] << 8 | m->bytes[7];

	m->bytes[6] = (count + 1) >> 8;
	m->bytes[7] = count + 1;
	put_name(m, owner);
	put_u16(m, type);
	put_u16(m, 1);
	put_u32(m, ttl_s);
	put_u16(m, len);
}

static inline void put_a(struct made_message *m, const char *owner, uint32_t ttl_s, uint32_t addr)
{
	put_head(m, owner, 1, ttl_s, 4);
	put_u32(m, addr);
}

static inline void put_cname(struct made_message *m, const char *owner, uint32_t ttl_s,
			     const char *to)
{
	put_head(m, owner, 5, ttl_s, strlen(to) + 2);
	put_name(m, to);
}

static inline void put_srv(struct made_message *m, const char *owner, unsigned int priority,
			   unsigned int weight, unsigned int port, const char *target)
{
	put_head(m, owner, 33, 60, 6 + (*target ? strlen(target) + 2 : 1));
	put_u16(m, priority);
	put_u16(m, weight);
	put_u16(m, port);
	put_name(m, target);
}

#endif
