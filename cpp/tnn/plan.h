// The plan behind the base of a shared file: what it says of a level, checked and never trusted.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "tnn/hole.h"

namespace tnn {
namespace plan {

// A shared file is its base, the plan as a zlib stream, and a footer of 24 bytes.
struct Plan {
  Size base;                                  // bytes
  Bytes inflated;                             // sizes, headers, literals, data
  std::vector<Size> headers, literals, data;  // sizes of these, for each level

  Size headers_at() const { return 12 * headers.size(); }
  Size literals_at() const { return headers_at() + sum(headers, headers.size()); }
  Size data_at() const { return literals_at() + sum(literals, literals.size()); }

  static Size sum(const std::vector<Size>& sizes, std::size_t count) {
    Size total = 0;
    for (std::size_t i = 0; i < count; ++i) total += sizes[i];
    return total;
  }
};

template <class T>
T number_at(const Bytes& content, Size at) {
  T value;
  std::memcpy(&value, content.data() + at, sizeof(T));
  return value;
}

inline Plan read(const Bytes& shared) {
  constexpr Size kFooter = 24;
  expect(shared.size() >= kFooter && std::memcmp(&shared[shared.size() - 4], "TNN1", 4) == 0,
         "a file with a plan");
  const Size footer = shared.size() - kFooter;
  Plan plan{number_at<std::uint64_t>(shared, footer), {}, {}, {}, {}};
  const Size size = number_at<std::uint64_t>(shared, footer + 8);
  const Size count = number_at<std::uint32_t>(shared, footer + 16);
  expect(plan.base <= footer && count <= kMostLevels, "a plan of at most 1024 levels");
  expect(12 * count <= size && size <= kLargestPlan + 2 * plan.base, "a plan of another size");
  plan.inflated.resize(size);
  uLongf length = size;
  const bool is_sound =
      size > 0 && uncompress(plan.inflated.data(), &length, shared.data() + plan.base,
                             static_cast<uLong>(footer - plan.base)) == Z_OK;
  expect(is_sound && length == size, "a plan that inflates to its size");
  for (Size i = 0; i < count; ++i) {
    plan.headers.push_back(number_at<std::uint32_t>(plan.inflated, 12 * i));
    plan.literals.push_back(number_at<std::uint32_t>(plan.inflated, 12 * i + 4));
    plan.data.push_back(number_at<std::uint32_t>(plan.inflated, 12 * i + 8));
  }
  expect(plan.data_at() + Plan::sum(plan.data, count) == size, "sizes that add up to the plan");
  return plan;
}

inline std::vector<Hole> holes_of(const Plan& plan, std::size_t index) {
  expect(plan.headers[index] <= kLargestHeader, "a smaller header");
  const Size at = plan.headers_at() + Plan::sum(plan.headers, index);
  return holes(view(plan.inflated).substr(at, plan.headers[index]));
}

// All bytes of a level's file that no hole covers. Those of all levels stand piece by piece in
// turn.
inline Bytes literal_of(const Plan& plan, std::size_t index) {
  constexpr Size kPiece = 4096;
  const std::vector<Size>& sizes = plan.literals;
  const Size pieces = (*std::max_element(sizes.begin(), sizes.end()) + kPiece - 1) / kPiece;
  auto at = plan.inflated.begin() + plan.literals_at();
  Bytes own;
  for (Size piece = 0; piece < pieces; ++piece) {
    for (std::size_t level = 0; level < sizes.size(); ++level) {
      const Size start = piece * sizes[level] / pieces, end = (piece + 1) * sizes[level] / pieces;
      if (level == index) own.insert(own.end(), at, at + (end - start));
      at += end - start;
    }
  }
  return own;
}

// Nothing is read or written outside of what is there, and nothing is left out.
inline void check_places(const std::vector<Hole>& holes, Size base, Size level, Size literal,
                         Size data) {
  Size of_base = 0, of_data = 0, of_holes = 0;
  for (const Hole& hole : holes) {
    if (hole.source == "base") {
      expect(hole.offset <= base && hole.whole_bytes() <= base - hole.offset, "holes in the base");
      of_base += hole.read_bytes();
    } else if (hole.source == "level") {
      expect(hole.offset < holes.size() && holes[hole.offset].source != "level" &&
                 holes[hole.offset].bytes() == hole.whole_bytes(),
             "a hole that another one fills");
    }
    of_data += hole.data_bytes();
    of_holes += hole.bytes();
    expect(of_base <= kMostRead * base && of_data <= data && of_holes <= level,
           "holes that read and write less");
  }
  const Size end = holes.empty() ? 0 : holes.back().at + holes.back().bytes();
  expect(of_data == data, "holes that read all of the data");
  expect(end <= level && literal + of_holes == level, "holes and literal that make the level");
}

}  // namespace plan
}  // namespace tnn
