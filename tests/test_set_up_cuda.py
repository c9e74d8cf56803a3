"""requirements/set_up.sh on a workstation with a GPU: a stand-in for nvidia-smi is the driver."""

import subprocess

import pytest

from tests.tiny_checkout import REQUIREMENTS, Checkout

WITH_CUDA = "-r requirements/tfx-1.16.txt -r requirements/cuda-1.16.txt"
WITHOUT = "-r requirements/tfx-1.16.txt"


@pytest.fixture
def checkout(tmp_path):
    checkout = Checkout(tmp_path / "headstart")
    checkout.add_python("python3.10")
    return checkout


def installed(checkout: Checkout) -> str | None:
    """Returns the locks that were installed since the last time this was asked; None without a set-up."""
    calls = [call for call in checkout.take_uv_calls() if "--require-hashes" in call]
    return calls[0].partition("--build-constraints requirements/tfx-1.16.txt ")[2] if calls else None


def test_a_driver_brings_cuda_and_a_second_call_does_nothing(checkout):
    checkout.add_driver()
    assert "CUDA" in checkout.set_up().stdout
    assert installed(checkout) == WITH_CUDA
    assert checkout.does_nothing()


def test_cudas_libraries_lie_in_the_folder_that_tensorflow_searches(checkout):
    checkout.add_driver()
    checkout.set_up()
    folder = checkout.root / ".venv" / "lib" / "python3.10" / "site-packages" / "nvidia" / "cublas" / "lib"
    assert sorted(path.name for path in folder.iterdir()) == ["libcublas.so.12", "libnccl.so.2"]
    assert (folder / "libnccl.so.2").resolve().parts[-3:] == ("nccl", "lib", "libnccl.so.2")
    assert not (folder / "libcublas.so.12").is_symlink()


def test_the_current_stack_has_a_cuda_of_its_own(checkout):
    checkout.set_glibc("glibc 2.41")
    checkout.add_python("python3.13")
    checkout.add_driver()
    checkout.set_up("current")
    lock = checkout.take_uv_calls()[2]
    assert lock.endswith("-r requirements/tfx-1.21.txt -r requirements/cuda-1.21.txt")


@pytest.mark.parametrize("gpus", [None, 0])
def test_without_a_gpu_there_is_no_cuda(checkout, gpus):
    if gpus is not None:
        checkout.add_driver(gpus)
    checkout.set_up()
    assert installed(checkout) == WITHOUT
    assert checkout.does_nothing()


def test_accelerator_cpu_leaves_cuda_out(checkout):
    checkout.add_driver()
    checkout.set_up(ACCELERATOR="cpu")
    assert installed(checkout) == WITHOUT
    assert checkout.does_nothing(ACCELERATOR="cpu")


def test_accelerator_gpu_brings_cuda_to_a_machine_without_a_driver(checkout):
    checkout.set_up(ACCELERATOR="gpu")
    assert installed(checkout) == WITH_CUDA
    assert checkout.does_nothing(ACCELERATOR="gpu")


def test_a_driver_that_comes_later_sets_up_again_once(checkout):
    checkout.set_up()
    checkout.take_uv_calls()
    checkout.add_driver()
    checkout.set_up()
    assert installed(checkout) == WITH_CUDA
    assert checkout.does_nothing()


def test_accelerator_cpu_that_comes_later_sets_up_again_once(checkout):
    checkout.add_driver()
    checkout.set_up()
    checkout.take_uv_calls()
    checkout.set_up(ACCELERATOR="cpu")
    assert installed(checkout) == WITHOUT
    assert checkout.does_nothing(ACCELERATOR="cpu")


def test_machines_with_and_without_a_gpu_share_a_checkout(checkout):
    checkout.add_driver()
    checkout.set_up()
    checkout.take_uv_calls()
    (checkout.bin / "nvidia-smi").unlink()
    assert checkout.does_nothing()
    checkout.add_driver()
    assert checkout.does_nothing()
    assert checkout.take_uv_calls() == []


@pytest.mark.parametrize(("accelerator", "again"), [("gpu", WITH_CUDA), ("cpu", None)])
def test_another_lock_of_cuda_concerns_those_who_have_it(checkout, accelerator, again):
    checkout.set_up(ACCELERATOR=accelerator)
    checkout.take_uv_calls()
    (checkout.root / "requirements" / "cuda-1.16.txt").write_text("# another\n")
    checkout.set_up(ACCELERATOR=accelerator)
    assert installed(checkout) == again


def test_another_accelerator_is_refused_with_those_there_are(checkout):
    answer = checkout.set_up(ACCELERATOR="tpu")
    assert answer.returncode == 1
    assert "ACCELERATOR is cpu or gpu, not 'tpu'." in answer.stderr
    assert "kubernetes/README.md" in answer.stderr


def test_linking_cuda_twice_is_linking_it_once(tmp_path):
    packages = tmp_path / "lib" / "python3.13" / "site-packages" / "nvidia"
    for library in ("cublas/lib/libcublas.so.12", "cudnn/lib/libcudnn.so.9"):
        (packages / library).parent.mkdir(parents=True)
        (packages / library).write_text(library)
    for _ in range(2):
        subprocess.run([REQUIREMENTS / "link_cuda.sh", tmp_path], check=True)
    assert {path.name: path.read_text() for path in (packages / "cublas" / "lib").iterdir()} == {
        "libcublas.so.12": "cublas/lib/libcublas.so.12",
        "libcudnn.so.9": "cudnn/lib/libcudnn.so.9",
    }
