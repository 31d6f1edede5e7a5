# What `cmake --install` gives a program that uses Paceline: the headers, the
# static library, a CMake package (find_package(paceline), target
# paceline::paceline) and a pkg-config file.
#
# The target `paceline` holds the objects of every folder of src/ as sources
# (add_library(paceline STATIC $<TARGET_OBJECTS:paceline_base> ...)), so it
# needs to link neither the object libraries nor paceline_flags. Everything in
# its link interface is seen by users of the package; that may be
#   Threads::Threads     found again by the package file
#   $<LINK_ONLY:name>    a plain -lname, in the last link only; the names are
#                        those in PACELINE_LIBRARIES
# and nothing else, because nothing else is exported.

include(CMakePackageConfigHelpers)

get_target_property(PACELINE_LINKS paceline INTERFACE_LINK_LIBRARIES)
set(PACELINE_LIBS_PRIVATE "")
foreach(link IN LISTS PACELINE_LINKS)
  string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" library "${link}")
  if(library IN_LIST PACELINE_LIBRARIES)
    string(APPEND PACELINE_LIBS_PRIVATE " -l${library}")
  elseif(link STREQUAL "Threads::Threads")
    string(APPEND PACELINE_LIBS_PRIVATE " ${CMAKE_THREAD_LIBS_INIT} -pthread")
  elseif(link)
    message(FATAL_ERROR "The link interface of paceline has ${link}, which "
      "its users do not have; see cmake/PacelineInstall.cmake.")
  endif()
endforeach()
string(REGEX REPLACE " +" " " PACELINE_LIBS_PRIVATE "${PACELINE_LIBS_PRIVATE}")
string(STRIP "${PACELINE_LIBS_PRIVATE}" PACELINE_LIBS_PRIVATE)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/paceline
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        COMPONENT paceline_development
        FILES_MATCHING PATTERN "*.h")
install(TARGETS paceline EXPORT paceline_targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
          COMPONENT paceline_development)

set(PACELINE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/paceline)
install(EXPORT paceline_targets
        FILE paceline-targets.cmake
        NAMESPACE paceline::
        DESTINATION ${PACELINE_CMAKE_DIR}
        COMPONENT paceline_development)
configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/paceline-config.cmake.in
  ${PROJECT_BINARY_DIR}/paceline-config.cmake
  INSTALL_DESTINATION ${PACELINE_CMAKE_DIR}
  NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may break what the one before had.
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/paceline-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/paceline-config.cmake
              ${PROJECT_BINARY_DIR}/paceline-config-version.cmake
        DESTINATION ${PACELINE_CMAKE_DIR}
        COMPONENT paceline_development)

# The pkg-config file finds the headers and the library from where it lies
# itself, so that the tree can be moved (or staged with DESTDIR) as a whole.
file(RELATIVE_PATH PACELINE_PC_TO_PREFIX
     ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" PACELINE_PC_TO_PREFIX "${PACELINE_PC_TO_PREFIX}")
configure_file(${PROJECT_SOURCE_DIR}/cmake/paceline.pc.in
               ${PROJECT_BINARY_DIR}/paceline.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/paceline.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT paceline_development)

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR}
        COMPONENT paceline_development)
