// Files of a bundle's folder, opened without trusting their names.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "tnn/bytes.h"

namespace tnn {

// Reads a regular file of the folder, at most `most` bytes.
inline Bytes read_file(const std::filesystem::path& directory, const std::string& name, Size most) {
  const bool is_plain = !name.empty() && name != "." && name != ".." &&
                        name.find_first_of(std::string("/\\:\0", 4)) == std::string::npos;
  expect(is_plain, "the plain name of a file, not '" + name + "'");
  std::error_code error;
  const auto inside = std::filesystem::canonical(directory, error);
  const auto path = std::filesystem::canonical(directory / name, error);  // links followed
  expect(!error, "a file '" + name + "' in " + directory.string());
  const auto relative = path.lexically_relative(inside);
  expect(!relative.empty() && *relative.begin() != "..", "'" + name + "' to stay in its folder");
  const int file = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  expect(file >= 0, "a readable file '" + name + "'");
  const std::unique_ptr<const int, void (*)(const int*)> closer(&file, [](auto* f) { close(*f); });
  struct stat found;
  expect(fstat(file, &found) == 0 && S_ISREG(found.st_mode), "a regular file '" + name + "'");
  const Size size = static_cast<Size>(found.st_size);
  expect(size <= most, "at most " + std::to_string(most) + " bytes in '" + name + "'");
  Bytes content(size);
  for (Size done = 0; done < size;) {
    const ssize_t got = ::read(file, content.data() + done, size - done);
    expect(got > 0, "all of '" + name + "'");
    done += static_cast<Size>(got);
  }
  return content;
}

}  // namespace tnn
