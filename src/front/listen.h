/* Who may connect to the listening socket. Private to src/front. */
#ifndef FRONT_LISTEN_H
#define FRONT_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * FastCGI 1.0, 3.2: with FCGI_WEB_SERVER_ADDRS in the environment (addresses with commas between)
 * only those may connect over TCP.
 */
bool listen_peer_ok(const struct sockaddr_storage *peer);

#endif
