# Where things go. mmrig looks for its parts relative to itself (rig/base/paths.c), so their places
# under the prefix are fixed.

install(TARGETS mmrig RUNTIME DESTINATION bin)

install(TARGETS mmrig-agent RUNTIME DESTINATION libexec/mmrig)
get_property(guest_tests GLOBAL PROPERTY MMRIG_GUEST_TESTS)
foreach(test ${guest_tests})
  install(TARGETS guest-${test} RUNTIME DESTINATION libexec/mmrig/tests)
endforeach()

install(DIRECTORY ${PROJECT_SOURCE_DIR}/scenarios DESTINATION share/mmrig
  FILES_MATCHING PATTERN "*.ini")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/images DESTINATION share/mmrig
  FILES_MATCHING PATTERN "*.manifest")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/guest-kernel/config DESTINATION share/mmrig/guest-kernel
  FILES_MATCHING PATTERN "*.config")
# Modules are compiled where mmrig runs, against the kernel they are for.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/guest-kernel/modules DESTINATION share/mmrig/guest-kernel)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/abi DESTINATION share/mmrig
  FILES_MATCHING PATTERN "*-regs.h" PATTERN "*-uapi.h")

file(GLOB man_pages_1 CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.1)
file(GLOB man_pages_5 CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.5)
install(FILES ${man_pages_1} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${man_pages_5} DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
