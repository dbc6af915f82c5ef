// Prints the segments that `keras-tnn micro` wrote for a network with exits, in the order in which
// they run at each utilization given (at 1 if none is).
//
//   keras-tnn micro bundle network
//   c++ -I network examples/micro/segments.cc network/*.cc -o segments && ./segments 0.5
//
// Needs the header and the arrays only. docs/devices.md shows how tflite-micro runs them.

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "tnn_segments.h"

static void print_tensor(const char* kind, const TnnTensor& tensor) {
  std::printf("  %s %s type=%d scale=%.9g zero_point=%d", kind, tensor.name,
              static_cast<int>(tensor.type), tensor.scale, tensor.zero_point);
}

int main(int argc, char** argv) {
  std::printf("arena=%lu handed=%lu\n", static_cast<unsigned long>(TNN_ARENA_BYTES),
              static_cast<unsigned long>(TNN_HANDED_BYTES));
  for (int i = argc > 1 ? 1 : 0; i < argc; ++i) {
    const TnnSegment* segments = tnn_segments_for(i ? std::atof(argv[i]) : 1.0);
    for (int number = 0; number < TNN_NUM_EXITS; ++number) {
      const TnnSegment& one = segments[number];
      std::printf("u=%.17g exit=%s bytes=%lu macs=%llu answer=%d aligned=%d\n", one.utilization,
                  one.exit, static_cast<unsigned long>(one.length),
                  static_cast<unsigned long long>(one.macs), one.answer,
                  reinterpret_cast<uintptr_t>(one.data) % 16 == 0);
      for (int j = 0; j < one.num_inputs; ++j) {
        print_tensor("input", one.inputs[j]);
        std::printf(" from=%d.%d\n", one.origins[j].segment, one.origins[j].index);
      }
      for (int j = 0; j < one.num_outputs; ++j) {
        print_tensor("output", one.outputs[j]);
        std::printf("\n");
      }
    }
  }
  return 0;
}
