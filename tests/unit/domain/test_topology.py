"""Which folder belongs to which tier, in every layout that a host may have."""

from __future__ import annotations

import posixpath

import pytest
from attrs import evolve
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hermes_backup_core.domain.errors import Refused
from hermes_backup_core.domain.paths import is_within, join
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.topology import Topology, path_problem

ROOT = "/opt/hermes"
SEPARATE = Topology(ROOT, "/mnt/data", "/mnt/archive", "/mnt/vmail", "/mnt/files")
ONE_DISK = Topology(ROOT, "/mnt/one", "/mnt/one", "/mnt/one", "/mnt/one")

PATHS_OF: dict[str, tuple[Topology, dict[str, Tier | None]]] = {
    "separate": (
        SEPARATE,
        {
            "/opt/hermes/docker-compose.yml": Tier.CONFIG,
            "/opt/hermes/install-logs/x": None,
            "/opt/hermes/.git/HEAD": None,
            "/opt/hermes/.gitignore": Tier.CONFIG,
            "/mnt/data/nginx/site.conf": Tier.DATA,
            "/mnt/data/dovecot/logs/x": Tier.DATA,
            "/mnt/data/dovecot/other": Tier.DATA,
            "/mnt/data/amavis/x": Tier.DATA,
            "/mnt/data/dbase/ibdata1": None,
            "/mnt/data/mysql/ibdata1": None,
            "/mnt/data/ldap/data/data.mdb": None,
            "/mnt/data/ldap/config/cn=config": Tier.DATA,
            "/mnt/data/mail_filter/data/clamav/main.cvd": None,
            "/mnt/data/mail_filter/data/x": Tier.DATA,
            "/mnt/data/clamav/main.cvd": None,
            "/mnt/archive/2026/m.gz": Tier.ARCHIVE,
            "/mnt/vmail/example.com/alice": Tier.VMAIL,
            "/mnt/vmail/dovecot/logs/x": Tier.VMAIL,
            "/mnt/files/app/x": Tier.NEXTCLOUD,
            "/mnt/files/anything": Tier.NEXTCLOUD,
            "/mnt/data2/x": None,
            "/mnt/elsewhere": None,
        },
    ),
    "all four on one path": (
        ONE_DISK,
        {
            "/mnt/one/nginx/x": Tier.DATA,
            "/mnt/one/anything": Tier.DATA,
            "/mnt/one/amavis/x": Tier.ARCHIVE,
            "/mnt/one/amavis2/x": Tier.DATA,
            "/mnt/one/dovecot/example.com/x": Tier.VMAIL,
            "/mnt/one/dovecot/logs/x": Tier.DATA,
            "/mnt/one/dovecot/logs2/x": Tier.VMAIL,
            "/mnt/one/dovecot/sieve/x": Tier.DATA,
            "/mnt/one/app/x": Tier.NEXTCLOUD,
            "/mnt/one/redis/x": Tier.NEXTCLOUD,
            "/mnt/one/dbase/x": None,
            "/mnt/one/ldap/data/x": None,
        },
    ),
    "the archive nested in data": (
        evolve(SEPARATE, archive="/mnt/data/amavis"),
        {
            "/mnt/data/amavis/x": Tier.ARCHIVE,
            "/mnt/data/amavis2/x": Tier.DATA,
            "/mnt/data/nginx/x": Tier.DATA,
        },
    ),
    "data nested in the archive": (
        evolve(SEPARATE, archive="/mnt", data="/mnt/data", vmail="/mnt/data/mail"),
        {
            "/mnt/x": Tier.ARCHIVE,
            "/mnt/data/x": Tier.DATA,
            "/mnt/data/dbase/x": None,
            "/mnt/data/mail/x": Tier.VMAIL,
            "/mnt/data/dovecot/x": Tier.DATA,
            "/mnt/files/x": Tier.NEXTCLOUD,
        },
    ),
    "data and vmail on one path": (
        Topology(ROOT, "/mnt/two", "/mnt/archive", "/mnt/two", "/mnt/files"),
        {
            "/mnt/two/dovecot/x": Tier.VMAIL,
            "/mnt/two/dovecot/sieve/x": Tier.DATA,
            "/mnt/two/amavis/x": Tier.DATA,
            "/mnt/two/app/x": Tier.DATA,
        },
    ),
    "data and archive on one path": (
        Topology(ROOT, "/mnt/two", "/mnt/two", "/mnt/vmail", "/mnt/files"),
        {
            "/mnt/two/dovecot/x": Tier.DATA,
            "/mnt/two/dovecot/logs/x": Tier.DATA,
            "/mnt/two/amavis/x": Tier.ARCHIVE,
        },
    ),
    "archive and vmail on one path": (
        Topology(ROOT, "/mnt/data", "/mnt/two", "/mnt/two", "/mnt/files"),
        {
            "/mnt/two/dovecot/x": Tier.VMAIL,
            "/mnt/two/amavis/x": Tier.ARCHIVE,
            "/mnt/two/stray": None,
            "/mnt/data/dovecot/x": Tier.DATA,
        },
    ),
    "tiers below the install root": (
        Topology(ROOT, f"{ROOT}/data", f"{ROOT}/install-logs/archive", f"{ROOT}/vmail", "/mnt/files"),
        {
            f"{ROOT}/.env": Tier.CONFIG,
            f"{ROOT}/data/x": Tier.DATA,
            f"{ROOT}/install-logs/x": None,
            f"{ROOT}/install-logs/archive/x": Tier.ARCHIVE,
        },
    ),
    "the install root below data": (
        Topology("/mnt/data/hermes", "/mnt/data", "/mnt/archive", "/mnt/vmail", "/mnt/files"),
        {
            "/mnt/data/hermes/.env": Tier.CONFIG,
            "/mnt/data/hermes2": Tier.DATA,
            "/mnt/data/x": Tier.DATA,
        },
    ),
    "a path that looks like a pattern": (
        evolve(SEPARATE, data="/mnt/a[1]", vmail="/mnt/a[1]/*"),
        {
            "/mnt/a[1]/x": Tier.DATA,
            "/mnt/a1/x": None,
            "/mnt/a[1]/*/x": Tier.VMAIL,
            "/mnt/a[1]/y/x": Tier.DATA,
        },
    ),
}
CASES = [
    pytest.param(topology, path, tier, id=f"{layout}: {path}")
    for layout, (topology, paths) in PATHS_OF.items()
    for path, tier in paths.items()
]


@pytest.mark.parametrize(("topology", "path", "tier"), CASES)
def test_a_path_is_packed_by_the_tier_that_owns_it_and_by_no_other(
    topology: Topology, path: str, tier: Tier | None
) -> None:
    packed_by = [candidate for candidate in Tier if topology.select(candidate).holds(path)]
    assert packed_by == ([tier] if tier else [])
    assert tier is None or topology.owner(path) is tier


@pytest.mark.parametrize("topology", [topology for topology, _ in PATHS_OF.values()], ids=list(PATHS_OF))
def test_none_of_these_layouts_is_ambiguous(topology: Topology) -> None:
    assert topology.conflicts() == ()


def test_files_of_a_running_database_stay_out_of_data_wherever_they_lie() -> None:
    live = ("/mnt/data/maria", "/mnt/data/ldap", "/elsewhere/db")
    selection = SEPARATE.select(Tier.DATA, live)
    assert {"maria", "ldap"} < set(selection.left_out)
    assert not selection.holds("/mnt/data/ldap/data.mdb")
    assert SEPARATE.select(Tier.VMAIL, ("/mnt/vmail/x",)).left_out == ()


def test_an_owner_is_found_also_for_what_no_backup_holds() -> None:
    assert SEPARATE.owner("/mnt/data/dbase") is Tier.DATA
    assert SEPARATE.owner("/mnt/vmail") is Tier.VMAIL
    assert SEPARATE.owner("/srv") is None


def test_only_tiers_on_one_path_share() -> None:
    topology = evolve(SEPARATE, archive="/mnt/data", vmail="/mnt/data/mail")
    assert [topology.shares(tier) for tier in Tier] == [False, True, True, False, False]


def test_every_path_can_be_changed_at_once() -> None:
    assert SEPARATE.map(lambda path: f"/new{path}").path(Tier.VMAIL) == "/new/mnt/vmail"


@pytest.mark.parametrize("tier", [tier for tier in Tier if tier is not Tier.CONFIG])
def test_a_tier_at_the_install_root_is_a_conflict_and_is_named(tier: Tier) -> None:
    (reason,) = evolve(SEPARATE, **{tier.value: ROOT}).conflicts()
    assert f"the {tier.value} tier lies at /opt/hermes" in reason


def test_a_mount_on_the_folder_that_another_tier_owns_by_custom_is_a_conflict() -> None:
    topology = evolve(ONE_DISK, archive="/mnt/one/dovecot")
    (reason,) = topology.conflicts()
    assert "/mnt/one/dovecot belongs to the tiers archive and vmail at once" in reason


def test_a_folder_that_two_tiers_claim_is_at_least_left_out_of_neither() -> None:
    topology = evolve(ONE_DISK, archive="/mnt/one/dovecot/logs")
    assert "/mnt/one/dovecot/logs belongs to the tiers data and archive" in topology.conflicts()[0]
    assert not set(topology.select(Tier.DATA).folders) & set(topology.select(Tier.DATA).left_out)


# Properties

NAMES = ("data", "data2", "amavis", "dovecot", "logs", "sieve", "app", "redis", "dbase", "ldap", "a[1]", "*")
FOLDERS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map(lambda names: "/mnt/" + "/".join(names))
SHARED = st.sampled_from(["/mnt/data", "/mnt/data/dovecot", "/mnt/data2"])
TOPOLOGIES = st.builds(Topology, *[FOLDERS | SHARED] * 5)


@settings(deadline=None, max_examples=200)
@given(TOPOLOGIES, st.sampled_from(Tier), st.lists(st.sampled_from(NAMES), max_size=4))
def test_every_path_is_in_one_tiers_selection_at_most(topology: Topology, tier: Tier, names: list[str]) -> None:
    assume(not topology.conflicts())
    path = posixpath.join(topology.path(tier), *names)
    packed_by = [candidate for candidate in Tier if topology.select(candidate).holds(path)]
    assert len(packed_by) <= 1
    assert all(candidate is topology.owner(path) for candidate in packed_by)


@settings(deadline=None, max_examples=200)
@given(TOPOLOGIES, st.sampled_from(Tier), st.sampled_from(Tier))
def test_a_selection_never_packs_another_tiers_folder(topology: Topology, tier: Tier, other: Tier) -> None:
    assume(tier is not other)
    assume(not topology.conflicts())
    selection = topology.select(tier)
    for folder in topology.folders(other):
        assert not selection.holds(f"{folder}/x") or topology.owner(f"{folder}/x") is tier
        assert not selection.holds(folder) or topology.owner(folder) is tier


@settings(deadline=None, max_examples=200)
@given(TOPOLOGIES, st.sampled_from(Tier))
def test_folders_and_what_is_left_out_lie_below_the_root_and_are_never_the_root_itself(
    topology: Topology, tier: Tier
) -> None:
    selection = topology.select(tier)
    for name in (*selection.folders, *selection.left_out):
        assert not name.startswith("/")
        assert is_within(join(selection.root, name), selection.root)
    assert "" not in selection.left_out
    assert not set(selection.folders) & set(selection.left_out)


# Paths

BAD = [
    ("", "is empty"),
    ("mnt/data", "not an absolute path"),
    ("./data", "not an absolute path"),
    ("~/data", "not an absolute path"),
    ("/mnt/a\nb", "line break"),
    ("/mnt/a\0b", "NUL"),
    ("/mnt/../etc", "'.' or '..'"),
    ("/mnt/./x", "'.' or '..'"),
    ("/..", "'.' or '..'"),
    *((path, "operating system") for path in ("/", "//", "/etc", "/etc/", "/usr/local/x", "/var", "/var/lib")),
    *((path, "operating system") for path in ("/home", "/root/", "/proc/1", "/dev/shm/x", "/var/lib/docker", "/opt")),
]
GOOD = ["/mnt/data", "/mnt/data/", "//mnt//data", "/opt/hermes", "/home/hermes", "/var/lib/hermes", "/mnt/a[1]", "/a b"]
GOOD += ["/mnt/caf\u00e9", "/mnt/caf\udce9", "/etcetera", "/mnt/..data", "/mnt/...", "/mnt/etc"]


@pytest.mark.parametrize(("path", "reason"), BAD)
def test_a_path_that_cannot_be_a_tiers_has_a_reason(path: str, reason: str) -> None:
    assert reason in str(path_problem(path))


@pytest.mark.parametrize("path", GOOD)
def test_any_other_absolute_path_can_be_a_tiers(path: str) -> None:
    assert path_problem(path) is None


ENV = {"DATA_MOUNT": "/mnt/data/", "ARCHIVE_MOUNT": "//mnt//a", "VMAIL_MOUNT": "/mnt/v", "FILES_MOUNT": "/mnt/f"}


def test_paths_are_normalised_as_they_are_read() -> None:
    assert Topology.from_env("/opt/hermes/", {**ENV, "OTHER": "x"}) == Topology(
        "/opt/hermes", "/mnt/data", "/mnt/a", "/mnt/v", "/mnt/f"
    )


def test_every_path_that_is_wrong_is_named_at_once_with_its_key() -> None:
    with pytest.raises(Refused) as caught:
        Topology.from_env("/", {"DATA_MOUNT": "", "ARCHIVE_MOUNT": "rel", "VMAIL_MOUNT": "/etc"})
    assert len(caught.value.reasons) == 5
    text = str(caught.value)
    assert "the install root is a folder of the operating system (/): set HERMES_ROOT" in text
    assert "DATA_MOUNT in //.env is empty: set it to the folder of the data tier" in text
    assert "FILES_MOUNT in //.env is not set: set it to the folder of the nextcloud tier" in text
