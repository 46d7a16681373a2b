/*
 * JSON answers that are small enough to be built as a tree. cJSON leaves out what it finds no
 * memory for and says so only to who asks at every step; here it is asked once, at the end: its
 * allocator notes for the thread that it has failed.
 */
#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdlib.h>

#include "api/api.h"

static _Thread_local bool incomplete;

static void *tree_malloc(size_t n)
{
	void *p = malloc(n);

	incomplete = incomplete || !p;
	return p;
}

/* A function of this file's own, so that the pair is never of two allocators. */
static void tree_free(void *p)
{
	free(p);
}

static void set_hooks(void)
{
	cJSON_Hooks hooks = { .malloc_fn = tree_malloc, .free_fn = tree_free };

	cJSON_InitHooks(&hooks);
}

void api_tree_begin(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_hooks);
	incomplete = false;
}

void api_tree_add(struct cJSON *list, struct cJSON *item)
{
	if (list && item)
		cJSON_AddItemToArray(list, item);
	else
		cJSON_Delete(item);
}

char *api_tree_print(const struct cJSON *tree)
{
	char *text = cJSON_PrintUnformatted(tree);

	if (!incomplete)
		return text;
	cJSON_free(text);
	return NULL;
}
