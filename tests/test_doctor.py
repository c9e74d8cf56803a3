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


def test_no_gpu_is_worth_a_note_and_several_a_hint():
    assert doctor.judge_gpu([]).verdict == "note"
    assert "mirrored" in doctor.judge_gpu(["A", "B"]).message


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
