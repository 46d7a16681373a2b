/*
 * Memory that runs out on order: the program is linked with --wrap for each function that
 * allocates, and libcurl, cJSON and OpenSSL are given the same functions through their hooks. Only
 * the thread that asked for it is failed, so that the scripted backend beside it goes on.
 */
#ifndef TESTS_FAULTS_ALLOC_H
#define TESTS_FAULTS_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* Hands the functions to the libraries. Before anything of them was used. 0, or -1. */
int alloc_setup(void);

/* The calling thread's n-th allocation from now on fails, counted from 1, and with `rest` all that
 * follow it. 0: none does. */
void alloc_fail(size_t n, bool rest);
/* Ends that. True when an allocation was failed. */
bool alloc_well(void);
/* Between the two the same thread does something that must not fail and does not count. */
void alloc_pause(bool pause);

/* Blocks that the calling thread has allocated and not freed; OpenSSL's are left out, it keeps some
 * for later. */
long alloc_blocks(void);

#endif
