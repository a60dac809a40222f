// Reading JSON front to back. simdjson finds the structure of the whole text at once (and refuses what is not UTF-8);
// this cursor walks over it and checks the grammar on the way. Numbers and words are handed out as written, so that the
// caller decides what an odd one means.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/budget.h"
#include "base/result.h"
#include "wire/proto.h"

namespace naru::wire {

/// A string as it stands in the text, without its quotes.
struct JsonText {
  std::string_view raw;
  bool escaped = false;  // raw contains backslashes

  /// Appends the content to `out`. Lone surrogates become U+FFFD. False, with part of it written, when an escape is not
  /// one of JSON's.
  bool AppendTo(Writer& out) const;
};

/// What a value begins with.
enum class JsonKind : uint8_t {
  kObject,
  kArray,
  kString,
  kScalar,  // a number or a word: true, null, NaN
  kNone,    // no value stands here
};

/// One document after another. Errors stick: after the first one ok() is false and everything answers empty. Keeps 4
/// bytes of memory a byte of the largest document (charged to the budget, touched only as far as there is structure)
/// until Trim. Nesting is bounded where this class recurses itself
/// (Skip); a caller that recurses bounds its own. Not thread-safe; the text must outlive the walk.
class JsonReader {
 public:
  explicit JsonReader(Budget& budget = Budget::Process());
  ~JsonReader();
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  /// Starts a document. kInvalidArgument names what is wrong and its offset; of text that is not UTF-8 `*not_utf8` is
  /// set too. kUnavailable, retryable, when the budget's hard limit stands in the way.
  Status Open(std::string_view text, bool* not_utf8 = nullptr);

  bool ok() const { return ok_; }
  /// Where the walk stands, or where it met the error.
  size_t offset() const { return ok_ ? At(next_) : error_offset_; }
  /// The error with its offset; only when !ok().
  Error error() const;

  JsonKind Peek() const {
    if (next_ >= count_) return JsonKind::kNone;
    switch (text_[index_[next_]]) {
      case '{':
        return JsonKind::kObject;
      case '[':
        return JsonKind::kArray;
      case '"':
        return JsonKind::kString;
      case '}':
      case ']':
      case ',':
      case ':':
        return JsonKind::kNone;
      default:
        return JsonKind::kScalar;
    }
  }

  /// Steps into the object that Peek saw: for (reader.Enter(); reader.NextKey(&key);) read or Skip the value.
  void Enter() {
    ++next_;
    fresh_ = true;
  }
  /// The next key of the object, standing before its value; false at the end of the object, which is consumed, and
  /// after an error.
  bool NextKey(JsonText* key);
  /// Steps before the next element of the array; false at its end, which is consumed, and after an error.
  bool NextElement();

  /// The string that Peek saw.
  JsonText String();
  /// The number or word that Peek saw: a number in JSON's grammar, true, false, null, or NaN, Infinity, -Infinity,
  /// which some writers produce. Any other word is an error.
  std::string_view Scalar();
  /// Passes over one value of any kind, checking its grammar.
  void Skip() {
    switch (Peek()) {
      case JsonKind::kString:
        String();
        return;
      case JsonKind::kScalar:
        Scalar();
        return;
      default:
        SkipNested();
    }
  }
  /// Checks that nothing stands behind the document.
  Status Close();
  /// Ends the walk and frees the memory if there is more of it than for kKeep bytes of text.
  void Trim();

  static constexpr size_t kKeep = 256 << 10;
  static constexpr int kMaxSkipDepth = 10240;

 private:
  struct Structure;
  size_t At(uint32_t i) const { return i < count_ ? index_[i] : text_.size(); }
  void Fail(const char* what) {
    if (!ok_) return;
    error_offset_ = At(next_);
    error_ = what;
    ok_ = false;
    count_ = next_ = 0;
  }
  char Here() const { return next_ < count_ ? text_[index_[next_]] : '\0'; }
  std::string_view Token() const;
  void SkipNested();

  Budget& budget_;
  std::unique_ptr<Structure> structure_;
  Charge charge_;
  std::string_view text_;
  const uint32_t* index_ = nullptr;  // offsets of braces, brackets, colons, commas, and of the first bytes of values
  uint32_t count_ = 0, next_ = 0;
  bool fresh_ = false;  // just entered: no comma before what comes
  bool ok_ = false;
  size_t error_offset_ = 0;
  const char* error_ = "nothing was opened";
};

}  // namespace naru::wire
