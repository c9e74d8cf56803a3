import pytest

from pipeline import doctor


def verdicts(findings):
    return {finding.subject: finding.verdict for finding in findings}


def test_the_default_stack_fits_python_3_10_on_an_older_linux():
    default, current = doctor.judge_stacks((3, 10), (2, 36))
    assert (default.verdict, current.verdict) == ("fits", "note")
    assert (
        "it needs Python 3.11 to 3.13, this is 3.10; it needs glibc 2.39 or newer, this is 2.36"
        in current.message
    )


def test_the_current_stack_fits_python_3_13_on_a_newer_linux():
    assert verdicts(doctor.judge_stacks((3, 13), (2, 41))) == {
        "default stack": "note",
        "current stack": "fits",
    }


def test_the_stack_of_the_running_python_fails_on_an_old_c_library():
    assert verdicts(doctor.judge_stacks((3, 12), (2, 36)))["current stack"] == "fails"


def test_a_system_without_glibc_fails():
    assert verdicts(doctor.judge_stacks((3, 10), None))["default stack"] == "fails"


@pytest.mark.parametrize("python", [(3, 9), (3, 14)])
def test_a_python_that_fits_no_stack_fails(python):
    assert verdicts(doctor.judge_stacks(python, (2, 41)))["Python"] == "fails"


def test_a_missing_package_is_named_with_what_to_do():
    (finding,) = doctor.judge_packages({"tfx": None, "keras": "3.12.4"})
    assert (finding.verdict, finding.message) == ("fails", "missing: tfx. Run `make setup`")


def test_versions_are_listed_when_nothing_is_missing():
    (finding,) = doctor.judge_packages({"tfx": "1.16.0", "keras": "3.12.4"})
    assert (finding.verdict, finding.message) == ("fits", "tfx 1.16.0, keras 3.12.4")


@pytest.mark.parametrize(("size", "verdict"), [(1e9, "fails"), (4e9, "note"), (16e9, "fits")])
def test_memory_is_judged_by_quickstart_and_by_larger_runs(size, verdict):
    assert doctor.judge_amount("memory", size, 3e9, 8e9, "free").verdict == verdict


def test_other_processors_are_pointed_to_the_container_image():
    assert doctor.judge_processor("aarch64", 8).verdict == "fails"
    assert doctor.judge_processor("x86_64", 8).message == "x86_64, 8 cores"


def test_no_gpu_is_worth_a_note():
    assert doctor.judge_gpu([], None, has_cuda=False).verdict == "note"


def test_a_gpu_that_tensorflow_sees_fits_and_several_get_a_hint():
    one = doctor.judge_gpu(["NVIDIA L4, 23034 MiB"], doctor.SeenGpus(1, ""), has_cuda=True)
    assert (one.verdict, one.message) == ("fits", "NVIDIA L4, 23034 MiB; TensorFlow sees 1")
    assert "mirrored" in doctor.judge_gpu(["A", "B"], doctor.SeenGpus(2, ""), has_cuda=True).message


def test_a_gpu_that_tensorflow_does_not_see_is_a_note_with_what_is_missing():
    finding = doctor.judge_gpu(["NVIDIA L4"], doctor.SeenGpus(0, "Cannot dlopen"), has_cuda=False)
    assert finding.verdict == "note"
    assert (
        "TensorFlow sees none and trains on the CPU. CUDA's libraries are missing: `make setup`"
        in finding.message
    )


def test_a_gpu_that_tensorflow_does_not_see_in_spite_of_cuda_comes_with_its_words():
    finding = doctor.judge_gpu(["NVIDIA L4"], doctor.SeenGpus(0, "failed call to cuInit"), has_cuda=True)
    assert finding.verdict == "note"
    assert finding.message.endswith("trains on the CPU. It says: failed call to cuInit")


def test_a_gpu_that_tensorflow_does_not_see_without_a_word_comes_with_what_to_look_at():
    finding = doctor.judge_gpu(["NVIDIA L4"], doctor.SeenGpus(0, ""), has_cuda=True)
    assert "CUDA 12 needs a driver of version 525 or newer" in finding.message


def test_a_tensorflow_that_does_not_start_fails():
    finding = doctor.judge_gpu(["NVIDIA L4"], doctor.SeenGpus(None, "ImportError: no"), has_cuda=True)
    assert (finding.verdict, finding.message[-15:]) == ("fails", "ImportError: no")


def write_script(path, text):
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        ("echo 2", (2, "")),
        (
            "echo '2026-11-25 17:41:30: I tsl/cudart_stub.cc:32] Could not find cuda drivers, no GPU' >&2; "
            "echo 'TF-TRT Warning: Could not find TensorRT' >&2; echo 0",
            (0, "Could not find cuda drivers, no GPU"),
        ),
        ("echo 'ModuleNotFoundError: tensorflow' >&2; exit 1", (None, "ModuleNotFoundError: tensorflow")),
        ("exit 1", (None, "exit code 1")),
        ("sleep 5", (None, "no answer within 1 seconds")),
    ],
)
def test_what_tensorflow_answers_is_understood(tmp_path, monkeypatch, script, seen):
    monkeypatch.setattr(doctor.sys, "executable", str(write_script(tmp_path / "python", script)))
    monkeypatch.setattr(doctor, "TENSORFLOW_SECONDS", 1 if "sleep" in script else 60)
    assert doctor.ask_tensorflow() == doctor.SeenGpus(*seen)


def test_the_driver_names_its_gpus_and_tensorflow_itself_is_asked(tmp_path, monkeypatch):
    write_script(tmp_path / "nvidia-smi", "echo 'NVIDIA L4, 23034 MiB'")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    finding = doctor.examine_gpu()  # the tests hide a real GPU from TensorFlow
    assert finding.verdict == "note"
    assert finding.message.startswith("NVIDIA L4, 23034 MiB; TensorFlow sees none and trains on the CPU.")


def test_without_a_driver_tensorflow_is_not_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor, "ask_tensorflow", None)
    assert doctor.examine_gpu().message.startswith("none: training runs on the CPU")


def test_weights_out_of_reach_are_a_note_that_names_the_bundled_ones():
    assert doctor.judge_weights(None).verdict == "fits"
    finding = doctor.judge_weights("timed out")
    assert finding.verdict == "note"
    assert "data/weights" in finding.message


def test_everything_is_looked_at_on_this_machine(tmp_path):
    subjects = [finding.subject for finding in doctor.examine(tmp_path, ask_network=False)]
    assert subjects == ["default stack", "current stack", "packages", "processor", "memory", "disk", "GPU"]


def test_a_finding_is_one_aligned_line():
    assert str(doctor.Finding("fits", "disk", "9 GB free")) == "fits   disk               9 GB free"
