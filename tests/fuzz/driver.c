/*
 * Runs a fuzz harness without a fuzzer, so that `make check` works with every compiler: each seed
 * of the corpus folder as it stands, every prefix of the small ones, and a bounded number of
 * mutations from a fixed starting point, the same on every machine. The many seeds that are made of
 * golden cases get a few mutations each.
 *
 * FUZZ_SEEDS_ALONE in the environment leaves out what is made of them: enough to compare machines.
 *
 * Usage: fuzz-NAME [FILE or FOLDER]…; without one, the folder tests/fuzz/corpus/NAME of the source
 * tree and tests/fuzz/seeds.d/NAME of the build.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEED_MAX (1 << 20)
#define PREFIX_MAX 2048         /* seeds up to this size are also run cut at each byte */
#define MUTATIONS 400           /* per seed */
#define MUTATIONS_FEW 6         /* per seed that was made of a golden case */
#define SLOW 10                 /* of so many prefixes and mutations a slow harness gets one */

/* A harness whose runs take milliseconds says so. */
extern const int fuzz_slow __attribute__((weak));
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static uint64_t state;

/* xorshift64: repeatable is all that it has to be. */
static uint32_t roll(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) * below >> 32);
}

/* A copy of exactly n bytes, so that a sanitizer or valgrind sees a read beyond the end. */
static void run_exact(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		exit(1);
	memcpy(copy, data, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

/* Changes a few bytes, or copies or removes a stretch; returns the new size, at most n. */
static size_t mutate(uint8_t *p, size_t n)
{
	static const uint8_t telling[] = "{}[]\",:\\u0dn\xff\x80\xed\n\r\t -9e.";
	size_t from, to, len;

	for (uint32_t i = roll(4) + 1; n > 1 && i > 0; i--) {
		from = roll((uint32_t)n);
		to = roll((uint32_t)n);
		len = roll(16) + 1;
		if (len > n - (from > to ? from : to))
			len = 1;
		switch (roll(5)) {
		case 0:
			p[from] = (uint8_t)roll(256);
			break;
		case 1:
			p[from] ^= (uint8_t)(1 << roll(8));
			break;
		case 2:
			memmove(p + to, p + from, len);
			break;
		case 3:
			memmove(p + from, p + from + len, n - from - len);
			n -= len;
			break;
		default:
			p[from] = telling[roll(sizeof(telling) - 1)];
		}
	}
	return n;
}

static void run_seed(const uint8_t *seed, size_t n, int mutations)
{
	bool alone = getenv("FUZZ_SEEDS_ALONE") != NULL;
	size_t prefixes = !alone && mutations == MUTATIONS && n <= PREFIX_MAX ? n : 0;
	int step = &fuzz_slow ? SLOW : 1;
	uint8_t *work = malloc(n ? n : 1);

	if (!work)
		exit(1);
	run_exact(seed, n);
	for (size_t cut = 0; cut < prefixes; cut += (size_t)step)
		run_exact(seed, cut);
	for (int i = 0; !alone && i < mutations; i += step) {
		memcpy(work, seed, n);
		run_exact(work, mutate(work, n));
	}
	free(work);
}

static int run_file(const char *path, int mutations)
{
	uint8_t *seed = malloc(SEED_MAX);
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f || !seed) {
		fprintf(stderr, "%s can't be read\n", path);
		exit(1);
	}
	n = fread(seed, 1, SEED_MAX, f);
	fclose(f);
	run_seed(seed, n, mutations);
	free(seed);
	return 1;
}

static int run_path(const char *path, int mutations)
{
	char file[4096];
	struct stat st;
	struct dirent *e;
	DIR *dir;
	int n = 0;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		return run_file(path, mutations);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		if (e->d_name[0] != '.' && stat(file, &st) == 0 && S_ISREG(st.st_mode))
			n += run_file(file, mutations);
	}
	if (dir)
		closedir(dir);
	return n;
}

/* The folders of "BUILD/tests/fuzz/fuzz-scan": "$srcdir/tests/fuzz/corpus/scan" and
 * "BUILD/tests/fuzz/seeds.d/scan", which not every harness has. */
static int run_corpus(const char *program)
{
	const char *srcdir = getenv("srcdir"), *name = strstr(program, "fuzz-");
	char path[1024];
	int n;

	for (const char *next = name; next; next = strstr(next + 1, "fuzz-"))
		name = next;
	if (!name)
		return 0;
	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".", name + 5);
	n = run_path(path, MUTATIONS);
	snprintf(path, sizeof(path), "%.*sseeds.d/%s", (int)(name - program), program, name + 5);
	return n ? n + run_path(path, MUTATIONS_FEW) : 0;
}

int main(int argc, char **argv)
{
	int n = 0;

	state = UINT64_C(0x2545f4914f6cdd1d);
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		n += run_path(argv[i], MUTATIONS);
	if (argc == 1)
		n = run_corpus(argv[0]);
	printf("%d seeds\n", n);
	/* A harness without its corpus proves nothing. */
	return n ? 0 : 1;
}
