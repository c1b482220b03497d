/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * builtin - put in front of an app that is built into the command (-include), so that the apps' one
 * symbol, flx_program, does not clash: FLX_BUILTIN is the name that the linker sees instead. The
 * source of an app is the same for both of its forms.
 */
#pragma once

#include "fabric/flx.h"

extern struct flx_program flx_program __asm__(FLX_BUILTIN);
