// JSON as RFC 8259 has it; each key once in its object.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <locale>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tnn/bytes.h"

namespace tnn {

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;

  static Json parse(std::string_view text) {
    Parser parser{text};
    Json value = parser.value(0);
    parser.space();
    expect(parser.at == text.size(), "the end of the JSON");
    return value;
  }

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  const Array& array() const { return as<Array>("a list"); }
  const Object& object() const { return as<Object>("an object"); }
  const std::string& text() const { return as<std::string>("a string"); }
  double number() const {
    if (const auto* whole = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*whole);
    return as<double>("a number");
  }
  std::int64_t integer() const { return as<std::int64_t>("an integer"); }
  Size count(Size most = Size{1} << 48) const {
    const std::int64_t value = integer();
    expect(value >= 0 && static_cast<Size>(value) < most, "a count");
    return static_cast<Size>(value);
  }
  const Json* find(std::string_view key) const {
    for (const auto& [name, value] : object()) {
      if (name == key) return &value;
    }
    return nullptr;
  }
  const Json& operator[](std::string_view key) const {
    const Json* found = find(key);
    expect(found != nullptr, "a key `" + std::string(key) + "`");
    return *found;
  }

 private:
  template <class T>
  const T& as(const char* what) const {
    const T* found = std::get_if<T>(&value_);
    expect(found != nullptr, std::string(what) + " in the JSON");
    return *found;
  }

  struct Parser {
    static constexpr int kDeepest = 64;
    std::string_view text;
    std::size_t at = 0;

    void space() {
      while (at < text.size() && std::strchr(" \t\n\r", text[at]) && text[at]) ++at;
    }
    bool take(std::string_view token) {
      if (text.substr(at, token.size()) != token) return false;
      at += token.size();
      return true;
    }
    void need(std::string_view token) {
      expect(take(token), "'" + std::string(token) + "' at byte " + std::to_string(at));
    }

    Json value(int depth) {
      expect(depth < kDeepest, "JSON that is nested less deeply");
      space();
      Json made;
      if (take("null")) return made;
      if (take("true")) return made.value_ = true, made;
      if (take("false")) return made.value_ = false, made;
      if (take("\"")) return made.value_ = string(), made;
      if (take("[")) return made.value_ = array(depth), made;
      if (take("{")) return made.value_ = object(depth), made;
      return number();
    }
    Array array(int depth) {
      Array items;
      space();
      if (take("]")) return items;
      do {
        items.push_back(value(depth + 1));
        space();
      } while (take(","));
      need("]");
      return items;
    }
    Object object(int depth) {
      Object items;
      std::set<std::string> names;
      space();
      if (take("}")) return items;
      do {
        space();
        need("\"");
        std::string name = string();
        expect(names.insert(name).second, "the key `" + name + "` once");
        space();
        need(":");
        items.emplace_back(std::move(name), value(depth + 1));
        space();
      } while (take(","));
      need("}");
      return items;
    }
    Json number() {
      const std::size_t start = at;
      take("-");
      const auto digits = [this] {
        const std::size_t first = at;
        while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
        expect(at > first, "a value at byte " + std::to_string(first));
      };
      const bool zero = at < text.size() && text[at] == '0';
      const std::size_t first = at;
      digits();
      expect(!zero || at == first + 1, "a number without zeros in front");
      bool is_whole = true;
      if (take(".")) is_whole = false, digits();
      if (take("e") || take("E")) {
        is_whole = false;
        if (!take("+")) take("-");
        digits();
      }
      const std::string_view own = text.substr(start, at - start);
      Json made;
      std::int64_t whole = 0;
      if (is_whole) {
        const auto read = std::from_chars(own.data(), own.data() + own.size(), whole);
        if (read.ec == std::errc()) return made.value_ = whole, made;
      }
      std::istringstream stream{std::string(own)};
      stream.imbue(std::locale::classic());  // a point, whatever the user's language writes
      double real = 0;
      stream >> real;
      expect(std::isfinite(real) && !stream.fail(), "a finite number");
      made.value_ = real;
      return made;
    }
    std::string string() {
      std::string made;
      while (true) {
        expect(at < text.size(), "the end of a string");
        const char c = text[at++];
        if (c == '"') return made;
        expect(static_cast<unsigned char>(c) >= 0x20, "no control characters in a string");
        if (c != '\\') {
          made += c;
          continue;
        }
        expect(at < text.size(), "the end of a string");
        const char escaped = text[at++];
        static constexpr std::string_view kNames = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
        const std::size_t place = kNames.find(escaped);
        if (place != std::string_view::npos) {
          made += kMeant[place];
        } else {
          expect(escaped == 'u', "an escape that JSON has");
          append_utf8(made, code_point());
        }
      }
    }
    std::uint32_t hex() {
      expect(at + 4 <= text.size(), "four hexadecimal digits");
      std::uint32_t unit = 0;
      const auto* end = text.data() + at + 4;
      const auto read = std::from_chars(text.data() + at, end, unit, 16);
      expect(read.ec == std::errc() && read.ptr == end, "four hexadecimal digits");
      at += 4;
      return unit;
    }
    std::uint32_t code_point() {
      const std::uint32_t unit = hex();
      if (unit < 0xd800 || unit > 0xdfff) return unit;
      need("\\u");
      const std::uint32_t low = hex();
      expect(unit < 0xdc00 && low >= 0xdc00 && low <= 0xdfff, "a whole pair of surrogates");
      return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
    static void append_utf8(std::string& made, std::uint32_t code) {
      const auto put = [&](std::uint32_t byte) { made += static_cast<char>(byte); };
      if (code < 0x80) return put(code);
      if (code < 0x800) return put(0xc0 | code >> 6), put(0x80 | (code & 63));
      if (code < 0x10000) {
        put(0xe0 | code >> 12);
      } else {
        put(0xf0 | code >> 18);
        put(0x80 | (code >> 12 & 63));
      }
      put(0x80 | (code >> 6 & 63));
      put(0x80 | (code & 63));
    }
  };

  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

}  // namespace tnn
