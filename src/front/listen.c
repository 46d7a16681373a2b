/* The socket that we are given to listen on: which descriptor it is, and who may connect to it. */
#include "listen.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "front/front.h"

static bool is_listening(int fd)
{
	int on = 0;
	socklen_t n = sizeof(on);

	return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) && on;
}

/* sd_listen_fds(3): descriptors from 3 on, if they are meant for this process. */
static int systemd_fds(void)
{
	int64_t pid, n;

	if (!str_int(str_of(getenv("LISTEN_PID")), &pid) || pid != getpid())
		return 0;
	return str_int(str_of(getenv("LISTEN_FDS")), &n) && n > 0 ? (int)n : 0;
}

int server_listen_fd(void)
{
	int n = systemd_fds();

	if (n > 1)
		log_warn("%d sockets were passed, only the first one is served", n);
	if (n > 0 && is_listening(3)) {
		fcntl(3, F_SETFD, FD_CLOEXEC);
		return 3;
	}
	return is_listening(STDIN_FILENO) ? STDIN_FILENO : -1;
}

/*
 * The peer's address as text; false for anything but TCP. An IPv4 address in IPv6 clothes is shown
 * as IPv4.
 */
static bool peer_text(const struct sockaddr_storage *peer, char *text, socklen_t size)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;

	if (peer->ss_family == AF_INET)
		return inet_ntop(AF_INET, &v4->sin_addr, text, size);
	if (peer->ss_family != AF_INET6)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text, size);
	return inet_ntop(AF_INET6, &v6->sin6_addr, text, size);
}

bool listen_peer_ok(const struct sockaddr_storage *peer)
{
	struct str rest = str_of(getenv("FCGI_WEB_SERVER_ADDRS")), part;
	char text[INET6_ADDRSTRLEN];

	if (!rest.n || !peer_text(peer, text, sizeof(text)))
		return true;
	while (str_split(&rest, ',', &part))
		if (str_is_nocase(str_trim(part), text))
			return true;
	log_warn("a connection from %s was refused: FCGI_WEB_SERVER_ADDRS does not list it", text);
	return false;
}
