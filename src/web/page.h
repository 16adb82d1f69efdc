/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* page.h - the page, page.html, in the program; its hashes are for Content-Security-Policy */
#ifndef SP_WEB_PAGE_H
#define SP_WEB_PAGE_H

#include <stddef.h>

#include "page_hashes.h"	/* made by embed.py */

extern const char sp_page[];
extern const size_t sp_page_len;

#endif
