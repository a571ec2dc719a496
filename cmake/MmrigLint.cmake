# `cmake --build --preset dev --target lint` (or format): what scripts/test runs, on this build.

add_custom_target(lint
  COMMAND ${PROJECT_SOURCE_DIR}/scripts/lint ${PROJECT_BINARY_DIR}
  USES_TERMINAL VERBATIM)
add_custom_target(format
  COMMAND ${PROJECT_SOURCE_DIR}/scripts/lint --format-only
  USES_TERMINAL VERBATIM)
