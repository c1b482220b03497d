/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ask - the client's side of the control socket: asks a running fabric and prints what it says.
 */
#pragma once

/*
 * flx_ask - send @words to a fabric, and print its answer
 * @control: path of its socket; NULL: of the only fabric of this user that runs
 * @words: end at NULL
 * The exit status, after one flx_error where it is not 0: 2, the fabric says that the words are
 * wrong; 1, it says that they failed, it cannot be asked, or the answer was cut. 1 without an error:
 * it said nothing else either. Context: main thread.
 */
int flx_ask(const char *control, const char *const *words);

/*
 * flx_ask_line - the same for a command line: @argv names a command of commands.h, ends at NULL
 * --control PATH among its words is taken out; --help says what the command is.
 */
int flx_ask_line(char *const *argv);
