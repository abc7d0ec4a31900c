# Two installs of the library, each a component: for C programs, and as an Alusus package (bridge/ has the Python one).

# C: find_package(alusus_http) and pkg-config, both relocatable.
install(TARGETS alusus_http EXPORT alusus_http COMPONENT development
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES "${civetweb_source}/LICENSE.md" DESTINATION ${CMAKE_INSTALL_DOCDIR}
  RENAME LICENSE.civetweb.md COMPONENT development)
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development)

include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/alusus_http)
write_basic_package_version_file(alusus_http-config-version.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT alusus_http NAMESPACE alusus_http:: FILE alusus_http-config.cmake
  DESTINATION ${package_folder} COMPONENT development)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/alusus_http-config-version.cmake"
  DESTINATION ${package_folder} COMPONENT development)

set(pkgconfig_folder "/${CMAKE_INSTALL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH prefix_from_pkgconfig "${pkgconfig_folder}" "/")
configure_file(cmake/alusus_http.pc.in alusus_http.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/alusus_http.pc"
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

# Alusus: beside the module, which imports it by its file name.
set(stubs "${PROJECT_SOURCE_DIR}/alusus_stubs")
install(TARGETS alusus_http COMPONENT alusus EXCLUDE_FROM_ALL LIBRARY DESTINATION .)
install(FILES "${stubs}/Http.alusus" "${stubs}/بـننت.أسس" "${PROJECT_SOURCE_DIR}/LICENSE"
  DESTINATION . COMPONENT alusus EXCLUDE_FROM_ALL)
foreach(readme README.md README.ar.md)
  # In the package docs/ is beside it, in the source beside its folder.
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${stubs}/${readme}")
  file(READ "${stubs}/${readme}" text)
  string(REPLACE "](../docs/" "](docs/" text "${text}")
  file(GENERATE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/package/${readme}" CONTENT "${text}")
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/package/${readme}" DESTINATION . COMPONENT alusus EXCLUDE_FROM_ALL)
endforeach()
install(FILES "${PROJECT_SOURCE_DIR}/docs/security.md" DESTINATION docs COMPONENT alusus EXCLUDE_FROM_ALL)
foreach(page reference/http upgrading coverage)
  cmake_path(GET page PARENT_PATH folder)
  install(FILES "${PROJECT_SOURCE_DIR}/docs/${page}.md" "${PROJECT_SOURCE_DIR}/docs/${page}.ar.md"
    DESTINATION "docs/${folder}" COMPONENT alusus EXCLUDE_FROM_ALL)
endforeach()
install(FILES "${civetweb_source}/LICENSE.md" DESTINATION . RENAME LICENSE.civetweb.md
  COMPONENT alusus EXCLUDE_FROM_ALL)
