# shellcheck shell=bash
# What Paceline needs from the system, as Debian packages, for the scripts
# that build and test it. To be sourced:
#
#   source tools/packages.sh
#   install_packages build|bench|charts|test
#
# Installs the packages of that group that are missing, and nothing if none
# is. Each group contains those named before it, but test not charts.

PACELINE_PACKAGES_BUILD=(
  g++ cmake ninja-build ccache pkg-config
  libisal-dev libxxhash-dev liblz4-dev libzstd-dev libsnappy-dev zlib1g-dev
  libcli11-dev libfmt-dev nlohmann-json3-dev)
PACELINE_PACKAGES_BENCH=(
  librocksdb-dev libleveldb-dev liblmdb-dev libbenchmark-dev)
PACELINE_PACKAGES_CHARTS=(
  python3 python3-matplotlib)
PACELINE_PACKAGES_TEST=(
  clang clang-format libclang-rt-14-dev
  libgtest-dev libgmock-dev librapidcheck-dev
  rocksdb-tools python3 strace e2fsprogs xfsprogs
  libfuse3-dev fuse3)

# True if the package is installed.
is_installed() {
  [[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" \
     == installed ]]
}

# apt-get without questions, as root or through sudo.
run_apt_get() {
  local as_root=()
  if [[ "$(id -u)" != 0 ]]; then
    as_root=(sudo -n)
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
    -o Acquire::Retries=3 "$@" </dev/null
}

# Returns non-zero if a package is missing and cannot be installed.
install_packages() {
  local wanted=("${PACELINE_PACKAGES_BUILD[@]}")
  case "$1" in
    build) ;;
    bench) wanted+=("${PACELINE_PACKAGES_BENCH[@]}") ;;
    charts) wanted+=("${PACELINE_PACKAGES_BENCH[@]}"
                     "${PACELINE_PACKAGES_CHARTS[@]}") ;;
    test) wanted+=("${PACELINE_PACKAGES_BENCH[@]}"
                   "${PACELINE_PACKAGES_TEST[@]}") ;;
    *) echo "install_packages: unknown group '$1'" >&2
       return 2 ;;
  esac

  # Elsewhere the tools have other package names; the build says what it
  # does not find.
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null
  then
    echo "This is not Debian; expecting the equivalents of:" \
      "${wanted[*]}" >&2
    return 0
  fi

  local missing=() package
  for package in "${wanted[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  if [[ ${#missing[@]} == 0 ]]; then
    return 0
  fi
  echo "Installing ${missing[*]}" >&2
  # Standard output belongs to the calling script's own results.
  { run_apt_get update &&
    run_apt_get install --no-install-recommends -y "${missing[@]}"; } >&2
}
