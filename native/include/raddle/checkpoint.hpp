#pragma once
// A simulation's state as bytes, and back into a simulation that was made of the same network and work.
//
// A type with state names its members once, in `fields()`, in the order of their declaration; what only says where
// things lie, or does not change once it is made, is left out. A type without containers and pointers is copied as it
// lies in memory and needs nothing. `names_all` holds a type's size to what it names, so that a member that is
// forgotten does not compile (checkpoint.cpp).

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <vector>

namespace raddle {

template <typename T>
concept HasFields = requires(T& value) { value.fields(); };
template <typename T>
concept WalksItself = requires { typename T::Walked; };
template <typename T>
concept Flat = std::is_trivially_copyable_v<T> && !std::is_pointer_v<T> && !HasFields<T> && !WalksItself<T>;

// Goes over state in one order, to write it or to read it: `Raw` does either with so many bytes at a place.
template <typename Raw>
class Walk : public Raw {
 public:
  using Raw::Raw;

  template <Flat T>
  void operator()(T& value) { this->raw(&value, sizeof(T)); }

  template <HasFields T>
  void operator()(T& value) {
    std::apply([this](auto&... each) { ((*this)(each), ...); }, value.fields());
  }

  template <WalksItself T>
  void operator()(T& value) { value.walk(*this); }

  template <typename T>
  void operator()(std::vector<T>& rows) {
    fit(rows);
    if constexpr (Flat<T> && !std::is_same_v<T, bool>) {
      if (!rows.empty()) this->raw(rows.data(), rows.size() * sizeof(T));
    } else {
      each_of(rows);
    }
  }

  template <typename T>
  void operator()(std::deque<T>& rows) {
    fit(rows);
    each_of(rows);
  }

  template <typename T>
  void operator()(std::unique_ptr<T>& place) {
    bool is_there = place != nullptr;
    (*this)(is_there);
    if (is_there && place == nullptr) place = std::make_unique<T>();
    if (!is_there) place.reset();
    if (place) (*this)(*place);
  }

 private:
  template <typename Rows>
  void fit(Rows& rows) {
    std::uint64_t count = rows.size();
    (*this)(count);
    if constexpr (Raw::reads) {
      this->check(count);
      rows.resize(static_cast<std::size_t>(count));
    }
  }

  template <typename Rows>
  void each_of(Rows& rows) {
    if constexpr (std::is_same_v<typename Rows::value_type, bool>) {
      for (std::size_t i = 0; i < rows.size(); ++i) {
        bool value = rows[i];
        (*this)(value);
        rows[i] = value;
      }
    } else {
      for (auto& row : rows) (*this)(row);
    }
  }
};

struct Writing {
  static constexpr bool reads = false;
  std::vector<std::uint8_t> bytes;

  void raw(const void* from, std::size_t size) {
    const auto* first = static_cast<const std::uint8_t*>(from);
    bytes.insert(bytes.end(), first, first + size);
  }
};

struct Reading {
  static constexpr bool reads = true;
  std::span<const std::uint8_t> bytes;

  explicit Reading(std::span<const std::uint8_t> given) : bytes(given) {}

  void raw(void* to, std::size_t size) {
    if (size > bytes.size()) throw std::invalid_argument("the state ends too early");
    std::memcpy(to, bytes.data(), size);
    bytes = bytes.subspan(size);
  }
  // Of a number of rows, each of which has a byte at least.
  void check(std::uint64_t count) const {
    if (count > bytes.size()) throw std::invalid_argument("the state ends too early");
  }
};

using StateWriter = Walk<Writing>;
using StateReader = Walk<Reading>;

// Bytes of the members that a type names; one without any takes no place.
template <typename... Members>
constexpr std::size_t bytes_of(const std::tuple<Members&...>*) {
  return ((std::is_empty_v<Members> ? 0 : sizeof(Members)) + ... + std::size_t{0});
}

// Whether a type has no members but those that it names and `given` bytes of what it does not write.
template <typename T>
constexpr bool names_all(std::size_t given = 0) {
  std::size_t bytes = given;
  if constexpr (HasFields<T>) {
    bytes += bytes_of(static_cast<const decltype(std::declval<T&>().fields())*>(nullptr));
  }
  return (bytes + alignof(T) - 1) / alignof(T) * alignof(T) == sizeof(T);
}

}  // namespace raddle
