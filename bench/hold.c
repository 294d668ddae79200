/*
 * hold GIB: keeps one 4 KiB page of every 2 MiB block of memory until it is killed, so that memory which the benchmark frees never
 * becomes a whole free block that the virtual machine gives back to its host. Writing a page that the host has to supply first costs
 * ten times as much, and would be counted against whichever broker happens to touch it. Needs root, to see which block a page is in.
 * Prints "ready" once the rest is free again.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { pageBytes = 4096, pagesPerBlock = 512, mostBlocks = 1 << 20 };

static uint8_t held[mostBlocks];

static void die(const char *what) {
  perror(what);
  exit(1);
}

int main(int count, char **arguments) {
  if (count != 2) die("usage: hold GIB");
  size_t pages = (size_t)(atof(arguments[1]) * (1 << 30)) / pageBytes;
  char *memory = mmap(NULL, pages * pageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) die("mmap");
  madvise(memory, pages * pageBytes, MADV_NOHUGEPAGE);
  for (size_t i = 0; i < pages; i++) memory[i * pageBytes] = 1;
  int map = open("/proc/self/pagemap", O_RDONLY);
  if (map < 0) die("/proc/self/pagemap");
  for (size_t i = 0; i < pages; i++) {
    uint64_t entry;
    uintptr_t page = (uintptr_t)memory / pageBytes + i;
    if (pread(map, &entry, sizeof entry, (off_t)(page * sizeof entry)) != sizeof entry) die("/proc/self/pagemap");
    uint64_t frame = entry & ((1ull << 55) - 1);
    uint64_t block = frame / pagesPerBlock;
    if (frame != 0 && block < mostBlocks && !held[block]) held[block] = 1;
    else madvise(memory + i * pageBytes, pageBytes, MADV_DONTNEED);
  }
  puts("ready");
  fflush(stdout);
  pause();
}
