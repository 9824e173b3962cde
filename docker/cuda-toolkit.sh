#!/usr/bin/env bash
# CUDA's compiler and libraries in a folder, from Python packages: what `cargo build --features cuda` needs, without NVIDIA's installer. No
# device and no driver. Needs python3 with pip, and a C compiler.
#
#   docker/cuda-toolkit.sh /usr/local/cuda
#   docker/cuda-toolkit.sh target/cuda-home && export CUDA_HOME=$PWD/target/cuda-home PATH=$PWD/target/cuda-home/bin:$PATH \
#     LIBRARY_PATH=$PWD/target/cuda-home/lib:$PWD/target/cuda-home/lib/stubs CUDARC_CUDA_VERSION=13000 CUDA_COMPUTE_CAP=90
set -euo pipefail
[ $# = 1 ] || { sed -n '2,7s/^# \?//p' "$0" >&2; exit 2; }
home=$1
packages=(
    nvidia-cuda-nvcc==13.0.88
    nvidia-cuda-crt==13.0.88
    nvidia-nvvm==13.0.88
    nvidia-cuda-cccl==13.0.85
    nvidia-cuda-runtime==13.0.96
    nvidia-cuda-nvrtc==13.0.88
    nvidia-cublas==13.1.0.3
    nvidia-curand==10.4.0.35
)

mkdir -p "$home"
python3 -m pip install -q --no-deps --no-compile --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
    --only-binary=:all: --target "$home/packages" "${packages[@]}"
mv "$home"/packages/nvidia/cu13/* "$home"/
ln -sfn lib "$home/lib64"
chmod +x "$home"/bin/* "$home"/nvvm/bin/*
# The linker looks for names without a version.
for library in "$home"/lib/lib*.so.*; do
    name=${library##*/}
    ln -sf "$name" "$home/lib/${name%%.so.*}.so"
done
# NVIDIA's licences go with its libraries.
mkdir -p "$home/licences"
for text in "$home"/packages/*.dist-info/{,licenses/}{License,LICENSE}*; do
    if [ -f "$text" ]; then
        package=${text#"$home/packages/"}
        cp "$text" "$home/licences/${package%%.dist-info*}.txt"
    fi
done
rm -r "$home/packages"

# libcuda comes with the driver. To link, a library with its functions is enough; it must not be there when the program runs.
mkdir -p "$home/lib/stubs"
grep -ohE '\bcu[A-Z][A-Za-z0-9_]*' "$home"/include/cuda.h "$home"/include/cuda*Typedefs.h | sort -u \
    | sed 's/.*/int &(void) { return 100; }/' >"$home/lib/stubs/libcuda.c"
cc -w -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$home/lib/stubs/libcuda.so" "$home/lib/stubs/libcuda.c"
rm "$home/lib/stubs/libcuda.c"
