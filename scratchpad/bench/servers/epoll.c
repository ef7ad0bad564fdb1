/* The limit outside Node: one thread, level-triggered epoll, no library. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 65536 };

/* What waits to be written, or the start of a line whose end has not come. */
struct connection {
  int fd;
  char *held;
  size_t length;
};

static char buffer[2 * CHUNK];
static int epoll_fd;
static int by_line, one_line;

static void hang_up(struct connection *c) {
  close(c->fd);
  free(c->held);
  free(c);
}

static int hold(struct connection *c, const char *data, size_t length) {
  char *copy = NULL;
  if (length > 0) {
    copy = malloc(length);
    if (copy == NULL) return -1;
    memcpy(copy, data, length);
  }
  free(c->held);
  c->held = copy;
  c->length = length;
  return 0;
}

static void watch(struct connection *c, unsigned events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

/* In echo mode a peer that does not read is not read from either: what it left is held, and only EPOLLOUT watched. */
static int answer(struct connection *c, const char *data, size_t length) {
  while (length > 0) {
    ssize_t n = send(c->fd, data, length, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return -1;
    if (n < 0) {
      /* A line server's peer waits for its replies; the socket's own buffer is enough for it. */
      if (by_line || hold(c, data, length) < 0) return -1;
      watch(c, EPOLLOUT);
      return 1;
    }
    data += n;
    length -= n;
  }
  return 0;
}

static int on_readable(struct connection *c) {
  size_t carried = by_line ? c->length : 0;
  if (carried > CHUNK) return -1;
  if (carried > 0) memcpy(buffer, c->held, carried);
  ssize_t n = recv(c->fd, buffer + carried, CHUNK, 0);
  if (n < 0) return errno == EAGAIN ? 0 : -1;
  if (n == 0) return -1;
  size_t length = carried + n;
  if (!by_line) return answer(c, buffer, length) < 0 ? -1 : 0;
  size_t whole = 0;
  for (char *end; (end = memchr(buffer + whole, '\n', length - whole)) != NULL;) {
    whole = end - buffer + 1;
    if (one_line) {
      answer(c, buffer, whole);
      return -1;
    }
  }
  if (answer(c, buffer, whole) < 0) return -1;
  return length > whole || carried > 0 ? hold(c, buffer + whole, length - whole) : 0;
}

static int on_writable(struct connection *c) {
  ssize_t n = send(c->fd, c->held, c->length, MSG_NOSIGNAL);
  if (n < 0) return errno == EAGAIN ? 0 : -1;
  memmove(c->held, c->held + n, c->length - n);
  c->length -= n;
  if (c->length == 0) watch(c, EPOLLIN);
  return 0;
}

static void on_connections(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL) exit(1);
    c->fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
  }
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "echo";
  one_line = strcmp(mode, "storm") == 0;
  by_line = one_line || strcmp(mode, "lines") == 0;
  signal(SIGPIPE, SIG_IGN);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 4096) < 0) return 1;
  getsockname(listener, (struct sockaddr *)&address, &size);
  epoll_fd = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
  printf("READY %d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    struct epoll_event events[256];
    int n = epoll_wait(epoll_fd, events, 256, -1);
    for (int i = 0; i < n; i++) {
      struct connection *c = events[i].data.ptr;
      if (c == NULL) {
        on_connections(listener);
        continue;
      }
      int failed = events[i].events & EPOLLOUT ? on_writable(c) : on_readable(c);
      if (failed < 0) hang_up(c);
    }
  }
}
