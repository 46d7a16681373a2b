/*
 * A bundle: the program with its libraries in one folder, for machines that have none of them
 * (docs/shared-hosting.md). src/bundle/launcher.c starts it and says where it is.
 */
#ifndef BASE_BUNDLE_H
#define BASE_BUNDLE_H

/* Keeps the machine's plug-ins out of a bundle's process. Before the first use of OpenSSL and of
 * names, and before the first thread. */
void bundle_setup(void);
/* The bundle's folder, NULL when the program was not started from one. */
const char *bundle_folder(void);

#endif
