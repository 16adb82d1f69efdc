// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sp_chain_init(struct sp_chain *chain, size_t count, size_t width)
{
	*chain = (struct sp_chain){ count, width, calloc(count * (2 * width + 1), sizeof(double)) };
	return chain->rates ? 0 : -ENOMEM;
}

int sp_chain_copy(struct sp_chain *chain, const struct sp_chain *from)
{
	int err = sp_chain_init(chain, from->count, from->width);

	if (!err)
		memcpy(chain->rates, from->rates,
		       from->count * (2 * from->width + 1) * sizeof(double));
	return err;
}

void sp_chain_fini(struct sp_chain *chain)
{
	free(chain->rates);
	*chain = (struct sp_chain){ 0 };
}

double sp_chain_out(const struct sp_chain *chain, size_t state)
{
	double sum = 0;

	for (size_t to = sp_chain_first(chain, state); to < sp_chain_end(chain, state); to++)
		if (to != state)
			sum += *sp_chain_at(chain, state, to);
	return sum;
}
