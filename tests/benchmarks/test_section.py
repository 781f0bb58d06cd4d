from benchmarks.section import replace_section

PAGE = "# Benchmarks\n\nIntroduction.\n\n## First\n\n1\n\n## Second\n\n2\n"


def test_a_section_is_replaced() -> None:
    assert replace_section(PAGE, "First", "new") == PAGE.replace("1", "new")
    assert replace_section(PAGE, "Second", "new") == PAGE.replace("2", "new")


def test_a_new_section_goes_to_the_end() -> None:
    assert replace_section(PAGE, "Third", "3") == f"{PAGE}\n## Third\n\n3\n"
