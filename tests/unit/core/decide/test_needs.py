"""What is loaded, and waited for, before an event is decided."""

from passerelle.core.decide import first_needs

MODULES = {"n_of": {"n": 1, "of": [{"achievement": "sfu/a"}, {"all_of": [{"achievement": "ubc/b"}]}]}}


def test_an_achievement_needs_the_achievements_it_is_made_of() -> None:
    needed = first_needs("ca.passerelle.credential.achievement-published.v1", "rru/c", {"components": MODULES})
    assert needed == {"achievement:rru/c", "achievement:sfu/a", "achievement:ubc/b"}


def test_a_stacked_credential_needs_its_components_and_their_releases() -> None:
    data = {"achievement": "rru/c", "components": ["one", "two"], "releases": ["three"]}
    needed = first_needs("ca.passerelle.credential.issued.v1", "four", data)
    assert needed == {"credential:four", "achievement:rru/c", "credential:one", "credential:two", "release:three"}
