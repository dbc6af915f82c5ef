// The file of a level, from a file of its own or cut from the shared one.
#pragma once

#include <cstddef>

#include "tnn/cut_level.h"
#include "tnn/file.h"
#include "tnn/sha256.h"

namespace tnn {

// The file of a level, its size and its hash checked.
inline Bytes read_level(const Bundle& bundle, std::size_t index) {
  const Level& level = bundle.levels.at(index);
  const bool is_shared = bundle.layout != "files";
  Bytes content =
      read_file(bundle.directory, level.file, is_shared ? bundle.shared_bytes : level.bytes);
  if (is_shared) {
    expect(content.size() == bundle.shared_bytes, "the promised size of '" + level.file + "'");
    content = cut_level(content, index, level.bytes);
  }
  expect(content.size() == level.bytes && sha256(view(content)) == level.sha256,
         "the file that the hash of the level u=" + std::to_string(level.utilization) + " is of");
  return content;
}

}  // namespace tnn
