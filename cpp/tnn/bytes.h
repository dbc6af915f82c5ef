// What all files share: bytes, limits, and the error of a bundle that is damaged, forged, or not
// for this reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian, and so is this");

namespace tnn {

using Bytes = std::vector<std::uint8_t>;
using Size = std::uint64_t;
using Shape = std::vector<Size>;

constexpr Size kLargestFile = Size{1} << 31;  // bytes; a TFLite file cannot be larger
constexpr Size kLargestManifest = 4 * 1024 * 1024;
constexpr Size kLargestHeader = 8 * 1024 * 1024;
constexpr Size kLargestPlan = 64 * 1024 * 1024;  // beyond twice the base
constexpr Size kLargestGrowth = 16;              // a level over the file that it is cut from
constexpr Size kMostRead = 16;                   // bytes read for a level over the size of the base
constexpr Size kMostLevels = 1024;
constexpr std::size_t kLargestRank = 8;

// A bundle that is damaged, forged, or of a kind that this reader does not run.
struct BundleError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void expect(bool is_so, const std::string& what) {
  if (!is_so) throw BundleError("Expected " + what);
}

inline std::string_view view(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace tnn
