// Prints the levels that `keras-tnn micro` wrote, and which one serves each utilization given.
//
//   keras-tnn micro bundle network
//   c++ -I network examples/micro/main.cc network/*.cc -o levels && ./levels 0.3 0.5
//
// Needs the header and the arrays only. docs/devices.md shows how tflite-micro runs a level.

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "tnn_levels.h"

// Adler-32, to compare an array in flash with the file that it came from.
static unsigned long checksum(const unsigned char* data, uint32_t length) {
  unsigned long a = 1, b = 0;
  for (uint32_t i = 0; i < length; ++i) {
    a = (a + data[i]) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

static void print_tensor(const char* kind, const TnnTensor& tensor) {
  std::printf("  %s %s type=%d shape=", kind, tensor.name, static_cast<int>(tensor.type));
  for (int i = 0; i < tensor.num_dimensions; ++i) {
    std::printf(i ? "x%d" : "%d", tensor.shape[i]);
  }
  std::printf(" scale=%.9g zero_point=%d\n", tensor.scale, tensor.zero_point);
}

int main(int argc, char** argv) {
  for (const TnnLevel& level : tnn_levels) {
    std::printf("u=%.17g bytes=%lu macs=%llu arena=%lu aligned=%d adler32=%08lx\n",
                level.utilization, static_cast<unsigned long>(level.length),
                static_cast<unsigned long long>(level.macs),
                static_cast<unsigned long>(level.arena_bytes),
                reinterpret_cast<uintptr_t>(level.data) % 16 == 0,
                checksum(level.data, level.length));
    for (const TnnTensor& tensor : level.inputs) print_tensor("input", tensor);
    for (const TnnTensor& tensor : level.outputs) print_tensor("output", tensor);
  }
  std::printf("arena for all=%lu\n", static_cast<unsigned long>(TNN_ARENA_BYTES));
  for (int i = 1; i < argc; ++i) {
    std::printf("%s -> u=%.17g\n", argv[i], tnn_level_for(std::atof(argv[i]))->utilization);
  }
  return 0;
}
