// The only main() of the product.
#include <cstdio>

#include "base/version.h"

int main() {
  std::printf("naru %s\n", NARU_VERSION);
  return 0;
}
