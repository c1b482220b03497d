/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/drops.h"

const char *flx_drop_name(enum flx_drop drop)
{
	static const char *const names[] = {
#define X(name, text) #name,
		FLX_DROPS(X)
#undef X
	};

	return names[drop];
}

const char *flx_drop_text(enum flx_drop drop)
{
	static const char *const texts[] = {
#define X(name, text) text,
		FLX_DROPS(X)
#undef X
	};

	return texts[drop];
}
