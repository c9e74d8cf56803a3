#!/usr/bin/env bash
# Links CUDA's libraries, which come as a folder per package, into the one folder of them that everything searches.
#
#   link_cuda.sh ENVIRONMENT
#
# TensorFlow's libraries name such folders in their RUNPATH, but not each release names all: 2.16 finds neither NCCL nor
# CUPTI, 2.21 no cuSOLVER, without which it uses no GPU. cuDNN 8 searches a folder for NVRTC that does not exist. That of
# cuBLAS stands in the RUNPATH of all three.
set -euo pipefail
cd "$1"/lib/python3.*/site-packages/nvidia/cublas/lib

for library in ../../*/lib/*.so*; do
  [ -e "${library##*/}" ] || ln -s "$library" .
done
