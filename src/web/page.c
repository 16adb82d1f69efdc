// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* page.c - see page.h */
#include "web/page.h"

const char sp_page[] = {
#include "page.inc"
};
const size_t sp_page_len = sizeof(sp_page);
