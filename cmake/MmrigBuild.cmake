# What every target of the project shares: warnings as errors, sanitizers, hardening.

option(MMRIG_SANITIZE "Build the host side with AddressSanitizer and UBSan" OFF)
option(MMRIG_FUZZ "Build the libFuzzer targets (clang only)" OFF)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

add_library(mmrig-warnings INTERFACE)
target_compile_options(mmrig-warnings INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
  -Wwrite-strings -Wvla -Wformat=2 -Wundef -Wimplicit-fallthrough
  -Wmissing-declarations)

# Code that runs on the host.
add_library(mmrig-host INTERFACE)
target_link_libraries(mmrig-host INTERFACE mmrig-warnings)
target_include_directories(mmrig-host INTERFACE
  ${PROJECT_SOURCE_DIR}/abi ${PROJECT_SOURCE_DIR}/rig)
# GLib 2.74 is Debian 12's: nothing newer may slip in.
target_compile_definitions(mmrig-host INTERFACE
  _GNU_SOURCE G_LOG_DOMAIN="mmrig"
  GLIB_VERSION_MIN_REQUIRED=GLIB_VERSION_2_74 GLIB_VERSION_MAX_ALLOWED=GLIB_VERSION_2_74)
if(MMRIG_SANITIZE)
  target_compile_options(mmrig-host INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(mmrig-host INTERFACE -fsanitize=address,undefined)
endif()
if(MMRIG_FUZZ)
  target_compile_options(mmrig-host INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Code that runs in the guest: static, and without the host's sanitizers.
add_library(mmrig-in-guest INTERFACE)
target_link_libraries(mmrig-in-guest INTERFACE mmrig-warnings)
target_include_directories(mmrig-in-guest INTERFACE ${PROJECT_SOURCE_DIR}/abi)
target_compile_definitions(mmrig-in-guest INTERFACE _GNU_SOURCE)
target_link_options(mmrig-in-guest INTERFACE -static)
