// A hole: an array of a level that stands elsewhere, and where (docs/bundle.md, layout "single").
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tnn/bundle.h"
#include "tnn/json.h"

namespace tnn {
namespace plan {

using Run = std::pair<Size, Size>;           // start and count of indices that follow one another
using Take = std::vector<std::vector<Run>>;  // for each axis; no runs: all of it

struct Hole {
  Size at;
  std::string dtype;
  Shape shape;
  std::string source;  // "base", "level" or "plan"
  Size offset;
  Shape whole;
  Take take;
  std::string factor_dtype;  // empty: no factor
  Shape factor_shape;

  Size width() const { return width_of(dtype); }
  Size bytes() const { return bytes_of(width(), shape); }
  Size whole_bytes() const { return bytes_of(width(), whole); }
  Size read_bytes() const {
    return take[0].empty() ? whole_bytes() : shape[0] * (whole_bytes() / whole[0]);
  }
  Size data_bytes() const {
    if (source == "plan") return bytes();
    return factor_dtype.empty() ? 0 : bytes_of(width_of(factor_dtype), factor_shape);
  }
};

inline Shape shape_of(const Json& value) {
  Shape made;
  for (const Json& size : value.array()) made.push_back(size.count());
  expect(!made.empty() && made.size() <= kLargestRank, "a shape of 1 to 8 axes");
  return made;
}

inline Take take_of(const Json& value) {
  Take made;
  for (const Json& axis : value.array()) {
    made.emplace_back();
    if (axis.is_null()) continue;
    for (const Json& run : axis.array()) {
      expect(run.array().size() == 2, "runs of a start and a count");
      made.back().emplace_back(run.array()[0].count(), run.array()[1].count());
      expect(made.back().back().second >= 1, "runs that are not empty");
    }
    expect(!made.back().empty(), "a list of runs");
  }
  return made;
}

// What does not depend on the sizes of files.
inline void check(const Hole& hole) {
  expect(hole.shape.size() == hole.whole.size() && hole.shape.size() == hole.take.size(),
         "axes that agree");
  bool is_sliced = false;
  for (std::size_t axis = 0; axis < hole.shape.size(); ++axis) {
    Size taken = hole.take[axis].empty() ? hole.whole[axis] : 0, last = 0;
    for (const auto& [start, count] : hole.take[axis]) {
      taken += count;
      last = std::max(last, start + count);
      is_sliced = true;
    }
    expect(taken == hole.shape[axis] && last <= hole.whole[axis], "indices within the array");
  }
  hole.whole_bytes();
  const bool has_factor = !hole.factor_dtype.empty();
  if (hole.source == "plan") {
    expect(!is_sliced && !has_factor && hole.whole == hole.shape, "stored numbers as they are");
  }
  if (!has_factor) return;
  const bool types_fit =
      hole.dtype == "int8" ? hole.factor_dtype == "int8"
                           : hole.dtype == "float32" &&
                                 (hole.factor_dtype == "float32" || hole.factor_dtype == "float16");
  expect(types_fit && hole.factor_shape.size() == hole.shape.size(), "a factor that fits");
  for (std::size_t axis = 0; axis < hole.shape.size(); ++axis) {
    const Size size = hole.factor_shape[axis];
    expect(size == 1 || size == hole.shape[axis], "a factor that fits");
  }
}

// The header of a level: seven columns, with an entry for each hole in the order of its file.
inline std::vector<Hole> holes(std::string_view header) {
  const Json columns = Json::parse(header);
  expect(columns.array().size() == 7, "seven columns");
  const std::size_t count = columns.array()[0].array().size();
  for (const Json& column : columns.array()) {
    expect(column.array().size() == count, "columns of one length");
  }
  std::vector<Hole> made;
  Size end = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto entry = [&](int column) -> const Json& {
      return columns.array()[column].array()[i];
    };
    Hole hole{end + entry(0).count(),
              entry(1).text(),
              shape_of(entry(2)),
              entry(3).text(),
              entry(4).count(),
              {},
              {},
              "",
              {}};
    expect(width_of(hole.dtype) > 0 && hole.dtype != "bool", "a dtype of weights");
    expect(hole.source == "base" || hole.source == "level" || hole.source == "plan", "a source");
    hole.whole = hole.shape;
    hole.take.resize(hole.shape.size());
    if (!entry(5).is_null()) {
      expect(entry(5).array().size() == 2, "a whole and what is taken of it");
      hole.whole = shape_of(entry(5).array()[0]);
      hole.take = take_of(entry(5).array()[1]);
    }
    if (!entry(6).is_null()) {
      expect(entry(6).array().size() == 2, "a dtype and a shape of the factor");
      hole.factor_dtype = entry(6).array()[0].text();
      expect(!hole.factor_dtype.empty(), "a dtype of the factor");
      hole.factor_shape = shape_of(entry(6).array()[1]);
    }
    check(hole);
    end = hole.at + hole.bytes();
    expect(end <= kLargestFile, "holes within a file");
    made.push_back(std::move(hole));
  }
  return made;
}

}  // namespace plan
}  // namespace tnn
