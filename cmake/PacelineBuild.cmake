# How every target of the project is compiled, and the functions that make
# them: paceline_layer() for a folder of src/, paceline_test() for a test, and
# paceline_sim_layer() and paceline_sim_test() for the same under a simulator.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE AND PROJECT_IS_TOP_LEVEL)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(PACELINE_CCACHE ccache)
if(PACELINE_CCACHE AND PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The setting lets it cache what uses the precompiled headers of the tests.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      env CCACHE_SLOPPINESS=pch_defines,time_macros ${PACELINE_CCACHE})
endif()

find_package(Threads REQUIRED)

# What every target of ours is compiled with; never seen by users.
add_library(paceline_flags INTERFACE)
target_compile_options(paceline_flags INTERFACE
  -Wall -Wextra -Wshadow
  # GCC 12 reports string concatenations that do not overlap.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  -Wnon-virtual-dtor -Woverloaded-virtual
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wthread-safety-beta>
  $<$<BOOL:${PACELINE_WERROR}>:-Werror>
  -fstack-protector-strong)
target_compile_definitions(paceline_flags INTERFACE
  $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>
  $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
target_link_options(paceline_flags INTERFACE -Wl,-z,relro,-z,now)
if(PACELINE_SANITIZER)
  target_compile_options(paceline_flags INTERFACE
    -fsanitize=${PACELINE_SANITIZER} -fno-omit-frame-pointer
    -fno-sanitize-recover=all
    # A third of the time of compiling a test goes into these checks; what it
    # tests has them.
    $<$<BOOL:$<TARGET_PROPERTY:PACELINE_NO_UBSAN>>:-fno-sanitize=undefined>)
  target_link_options(paceline_flags INTERFACE
    -fsanitize=${PACELINE_SANITIZER})
endif()

# One folder of src/: its .cc files (without tests) as objects. A folder links
# only folders of a lower rank; tools/lint.py checks the includes.
#   paceline_layer(<folder> SOURCES a.cc ... [LINKS <lower folder> ...])
function(paceline_layer folder)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_library(paceline_${folder} OBJECT ${ARG_SOURCES})
  target_include_directories(paceline_${folder} PUBLIC
    ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(paceline_${folder} PRIVATE paceline_flags)
  foreach(lower ${ARG_LINKS})
    target_link_libraries(paceline_${folder} PUBLIC paceline_${lower})
  endforeach()
endfunction()

# Lets ctest run a program under its own name, for 300 s unless `timeout` is
# given.
function(paceline_register_test name timeout labels)
  if(NOT timeout)
    set(timeout 300)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${timeout} LABELS "${labels}")
  # First, so that no processor is idle at the end.
  if("slow" IN_LIST labels)
    set_tests_properties(${name} PROPERTIES COST 100)
  endif()
endfunction()

# A quarter of the time of compiling a test goes into reading GoogleTest. The
# tests that are not optimized share what the compiler makes of it; each still
# includes what it uses. More headers make it slower again: every test would
# instantiate their templates.
function(paceline_share_test_headers name)
  # Without it ccache does not know that a test depends on them.
  target_compile_options(${name} PRIVATE
    $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  get_property(owner GLOBAL PROPERTY PACELINE_TEST_HEADERS)
  if(owner)
    target_precompile_headers(${name} REUSE_FROM ${owner})
  else()
    set_property(GLOBAL PROPERTY PACELINE_TEST_HEADERS ${name})
    target_precompile_headers(${name} PRIVATE <gtest/gtest.h>)
  endif()
endfunction()

# A GoogleTest program, run by ctest under its own name. LABELS chooses which
# builds run it (see tools/test).
#   paceline_test(<name> SOURCES a_test.cc ... [LINKS target ...]
#                 [LABELS label ...] [TIMEOUT seconds])
function(paceline_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINKS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE
    paceline paceline_flags ${ARG_LINKS} GTest::gmock GTest::gtest_main)
  paceline_register_test(${name} "${ARG_TIMEOUT}" "${ARG_LABELS}")
  # Half of the time that a build of everything takes would go into optimizing
  # tests. Those that do a lot themselves are worth it.
  if(NOT "slow" IN_LIST ARG_LABELS)
    target_compile_options(${name} PRIVATE -O0 -U_FORTIFY_SOURCE)
    set_target_properties(${name} PROPERTIES PACELINE_NO_UBSAN ON)
    paceline_share_test_headers(${name})
  endif()
endfunction()

# A folder of src/ once more, with PACELINE_SIM: for tests in which a simulator
# decides which thread runs. Takes the sources that paceline_layer() was given,
# but those of EXCEPT.
#   paceline_sim_layer(<folder> [EXCEPT a.cc ...] [LINKS <lower folder> ...])
function(paceline_sim_layer folder)
  cmake_parse_arguments(ARG "" "" "EXCEPT;LINKS" ${ARGN})
  get_target_property(sources paceline_${folder} SOURCES)
  list(REMOVE_ITEM sources ${ARG_EXCEPT})
  list(TRANSFORM sources PREPEND ${PROJECT_SOURCE_DIR}/src/)
  add_library(paceline_sim_${folder} OBJECT ${sources})
  target_include_directories(paceline_sim_${folder} PUBLIC
    ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
  target_compile_definitions(paceline_sim_${folder} PUBLIC PACELINE_SIM)
  target_link_libraries(paceline_sim_${folder} PRIVATE paceline_flags)
  foreach(lower ${ARG_LINKS})
    target_link_libraries(paceline_sim_${folder} PUBLIC paceline_sim_${lower})
  endforeach()
endfunction()

# A test that links such folders, named in LAYERS with all that they link, and
# nothing of the library itself. Otherwise like paceline_test().
function(paceline_sim_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LAYERS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  foreach(layer ${ARG_LAYERS})
    target_link_libraries(${name} PRIVATE paceline_sim_${layer})
  endforeach()
  target_link_libraries(${name} PRIVATE
    paceline_flags Threads::Threads GTest::gmock GTest::gtest_main)
  paceline_register_test(${name} "${ARG_TIMEOUT}" "${ARG_LABELS}")
endfunction()
