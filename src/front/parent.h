/*
 * A web server that is killed cannot tell its programs to end, and no one could reach them any
 * more: the socket on which they listen was its own.
 */
#ifndef FRONT_PARENT_H
#define FRONT_PARENT_H

/* When the process that started this one is a web server, its death sends the signal (Linux). Once
 * the handler stands, before the first thread. */
void parent_follow(int signo);

#endif
