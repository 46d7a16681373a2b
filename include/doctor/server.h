/*
 * Web servers and what to change in each: one table of directives (doctor/server.c), the same as in
 * docs/web-servers.md.
 */
#ifndef DOCTOR_SERVER_H
#define DOCTOR_SERVER_H

#include "base/str.h"

enum server_kind {
	SERVER_UNKNOWN,
	SERVER_LIGHTTPD,
	SERVER_APACHE,                  /* of which no more is known */
	SERVER_APACHE_FCGID,
	SERVER_APACHE_PROXY,
	SERVER_APACHE_CGI,
	SERVER_NGINX,
	SERVER_CADDY,
	SERVER_LITESPEED,
	SERVER_CLOUDFLARE,
	SERVER_KINDS
};

enum server_problem {
	PROBLEM_NOT_STREAMED,           /* answers are held back until they are complete */
	PROBLEM_AUTHORIZATION,          /* that header does not arrive */
	PROBLEM_HEADERS,                /* x-api-key or anthropic-* don't */
	PROBLEM_BODY_SIZE,              /* larger bodies are refused */
	PROBLEM_FIREWALL,               /* what a coding session says is refused */
	PROBLEM_SILENCE,                /* a quiet answer is ended */
	PROBLEM_ERRORS,                 /* error answers are replaced by pages */
	PROBLEM_PREFIX,                 /* the path does not lead here */
	PROBLEM_HEAD,                   /* HEAD is refused */
	PROBLEM_SLASHES,                /* %2F in the path is refused */
	PROBLEM_SOURCE,                 /* the program itself is sent, not run */
	PROBLEM_CONFIG_SERVED,          /* the configuration is handed out */
	PROBLEMS
};

/* What is known of the server: software is the Server header or SERVER_SOFTWARE; front ("fcgi",
 * "cgi") and proxied (SCRIPT_FILENAME is a proxy's) are what the gateway saw, "" when it was not
 * reached. */
enum server_kind server_tell(const char *software, const char *front, bool proxied);
const char *server_name(enum server_kind kind);
/* What to change, lines to paste included; never NULL. */
const char *server_todo(enum server_kind kind, enum server_problem problem);

#endif
